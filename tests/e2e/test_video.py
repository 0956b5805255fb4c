"""A video of this machine becomes a pin: sent whole, and once, whatever happens on the way."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from files import FILM, append, begin
from support import Program, Sandbox, Service, fault, until

STORE = "POST /s3/"
REGISTER = "POST /v5/media"
# Long enough to be killed in the middle of it.
SLOW = {"media_processing_ms": 4_000}


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Sandbox]:
    with Program(tmp_path, "sandbox", "--listen", "127.0.0.1:0") as program:
        yield Sandbox(program.ready["url"])


@pytest.fixture
def service(tmp_path: Path, network: Sandbox) -> Iterator[Service]:
    """A service that takes the fake network, a process of its own, for the real one."""
    settings = {
        "MULTI_UPLOAD_PINTEREST_API_URL": f"{network.api.url}/v5",
        "MULTI_UPLOAD_PINTEREST_AUTHORIZE_URL": f"{network.api.url}/oauth/",
        "PINTEREST_APP_ID": "4711",
        "PINTEREST_APP_SECRET": "a secret",
        "MULTI_UPLOAD_QUIET_PERIOD": "4s",
    }
    with Service(tmp_path, env=settings) as service:
        service.connect()
        yield service


def film(seconds: int = 10, name: str = FILM.name) -> bytes:
    """The two seconds of a test film, played slower."""
    content = bytearray(FILM.with_name(name).read_bytes())
    for kind in (b"mvhd", b"mdhd"):
        at = content.find(kind)
        while at > 0:
            scale = int.from_bytes(content[at + 16 : at + 20], "big")
            content[at + 16 : at + 20] = (scale * 2 // seconds).to_bytes(4, "big")
            at = content.find(kind, at + 4)
    return bytes(content)


def store(service: Service, content: bytes) -> str:
    """The id of a stored file."""
    path = begin(service, len(content))
    assert append(service, path, 0, content).status == 204
    return path.rsplit("/", 1)[1]


def create(service: Service, title: str, **media: Any) -> dict[str, Any]:
    body = service.pin(title) | media
    del body["image_url"]
    return dict(service.api.post("/v1/uploads", body).ok(202))


def one_video(network: Sandbox, title: str, content: bytes | None = None) -> dict[str, Any]:
    """There is one pin of this title, a video of exactly this content."""
    ledger = network.ledger()
    pins = [each for each in ledger["pins"] if each["title"] == title]
    assert [each["media_kind"] for each in pins] == ["video"]
    sent: dict[str, Any] = {each["media_id"]: each for each in ledger["uploads"]}[
        pins[0]["media_id"]
    ]
    if content is not None:
        assert (sent["sha256"], sent["bytes"]) == (sha256(content).hexdigest(), len(content))
    return sent


def published(service: Service, upload: dict[str, Any]) -> None:
    done = service.api.wait([upload], seconds=60)[0]
    assert done["status"] == "published", done


def switch(network: Sandbox, **switches: Any) -> None:
    assert network.api.call("PUT", "/_sandbox/faults", {"switches": switches}).status < 300


def error_code(service: Service, upload: dict[str, Any]) -> str | None:
    target = service.api.get(f"/v1/uploads/{upload['id']}")["targets"][0]
    return target["error"] and str(target["error"]["code"])


def test_a_stored_video_is_sent_whole_and_waits_for_its_processing(
    service: Service, network: Sandbox
) -> None:
    switch(network, **SLOW)
    upload = create(service, "Film", media_id=store(service, film()), cover_image_key_frame_time=3)
    until(lambda: error_code(service, upload) == "MEDIA_PROCESSING", "it is processed")
    target = service.api.get(f"/v1/uploads/{upload['id']}")["targets"][0]
    if target["status"] == "waiting":
        assert target["next_attempt_at"]
        assert target["error"]["detail"] == "Pinterest is processing the video"
    published(service, upload)
    one_video(network, "Film", film())
    assert (network.count(REGISTER), network.count(STORE)) == (1, 1)


def test_an_index_at_the_end_goes_in_front(service: Service, network: Sandbox) -> None:
    behind = film(name="index-end.mp4")
    assert behind.find(b"moov") > behind.find(b"mdat")
    published(service, create(service, "Behind", media_id=store(service, behind)))
    sent = one_video(network, "Behind")
    assert sent["sha256"] != sha256(behind).hexdigest()
    assert sent["bytes"] == len(behind)


@pytest.mark.parametrize(
    ("where", "how", "again"),
    [
        # The form was sent, but nothing of it arrived: only then the file is sent a second time.
        (("POST", "/s3/*"), "before", True),
        (("POST", "/s3/*"), "after", False),
        (("GET", "/v5/media/*"), "before", False),
        (("POST", "/v5/pins"), "after", False),
    ],
)
def test_a_killed_service_goes_on_where_it_was(
    service: Service, network: Sandbox, where: tuple[str, str], how: str, again: bool
) -> None:
    network.faults(fault(*where, how, hang={"max_ms": 20_000}))
    upload = create(service, "Killed", media_id=store(service, film()))
    until(lambda: network.struck() == [1], "the request is under way")
    if how == "after":
        what = "uploads" if "s3" in where[1] else "pins"
        until(lambda: network.ledger()[what], "it has arrived")
    service.kill()
    service.start()
    published(service, upload)
    one_video(network, "Killed", film())
    assert network.count(STORE) == 1 + again
    assert network.count(REGISTER) == 1 + again


def test_what_pinterest_does_not_take_is_refused_before_anything_is_sent(
    service: Service, network: Sandbox
) -> None:
    body = service.pin("Short") | {"media_id": store(service, film(seconds=2))}
    del body["image_url"]
    info = service.api.post("/v1/uploads", body).json
    assert info["errors"][0]["pointer"] == "/media_id"
    assert info["errors"][0]["detail"] == (
        "The video has 2.0 s; Pinterest takes at least 4 s. Make it longer."
    )
    assert network.count(REGISTER) == 0


def test_failed_processing_is_told(service: Service, network: Sandbox) -> None:
    switch(network, media_outcome="failed")
    upload = create(service, "Broken", media_id=store(service, film()))
    done = service.api.wait([upload], seconds=60)[0]
    assert done["status"] == "failed"
    assert done["targets"][0]["error"]["code"] == "MEDIA_PROCESSING_FAILED"
    network.clear()
    assert service.api.post(f"/v1/uploads/{upload['id']}/retry", {}).status == 200
    published(service, upload)
    one_video(network, "Broken", film())


def test_private_addresses_are_not_fetched(service: Service) -> None:
    body = service.pin("Inside") | {"video_url": "http://169.254.169.254/film.mp4"}
    del body["image_url"]
    info = service.api.post("/v1/uploads", body).json
    assert (info["code"], info["errors"][0]["pointer"]) == ("URL_NOT_ALLOWED", "/video_url")
