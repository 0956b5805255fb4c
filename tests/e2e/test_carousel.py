"""Several pictures become one pin."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any

from files import append, begin
from support import Service, png

COLOURS = [(200, 60, 40), (40, 200, 60), (60, 40, 200)]


def store(service: Service, content: bytes) -> str:
    path = begin(service, len(content))
    assert append(service, path, 0, content).status == 204
    return path.rsplit("/", 1)[1]


def body(service: Service, title: str, **media: Any) -> dict[str, Any]:
    asked = service.pin(title) | media
    del asked["image_url"]
    return asked


def carousel(service: Service, title: str) -> dict[str, Any]:
    pins = service.sandbox.titled(title)
    assert [each["media_kind"] for each in pins] == ["carousel"]
    return dict(pins[0])


def test_three_stored_pictures(service: Service) -> None:
    pictures = [png(colour=colour) for colour in COLOURS]
    ids = [store(service, picture) for picture in pictures]
    upload = service.api.post("/v1/uploads", body(service, "Three", media_ids=ids)).ok(202)
    assert service.api.wait([upload])[0]["status"] == "published"
    media = carousel(service, "Three")["media"]
    assert [each["sha256"] for each in media] == [sha256(each).hexdigest() for each in pictures]


def test_pictures_by_address(service: Service) -> None:
    urls = [f"https://yourcdn.example/{n}.jpg" for n in range(5)]
    upload = service.api.post("/v1/uploads", body(service, "Five", image_urls=urls)).ok(202)
    assert service.api.wait([upload])[0]["status"] == "published"
    assert [each["url"] for each in carousel(service, "Five")["media"]] == urls


def test_from_the_shell(service: Service, tmp_path: Path) -> None:
    files = []
    for n, colour in enumerate(COLOURS):
        files.append(tmp_path / f"{n}.png")
        files[-1].write_bytes(png(colour=colour))
    board = service.pin("Shell")["board_id"]
    settings = {"MULTI_UPLOAD_URL": service.api.url, "MULTI_UPLOAD_API_KEY": str(service.api.key)}
    pin = ("pin", *map(str, files), "--board", board, "--title", "Shell", "--wait")
    service.command(*pin, env=settings)
    assert len(carousel(service, "Shell")["media"]) == 3


def test_a_wrong_number_is_refused_before_anything_is_sent(service: Service) -> None:
    before = service.sandbox.count("POST /v5/pins")
    for count in (1, 6):
        urls = [f"https://yourcdn.example/{n}.jpg" for n in range(count)]
        answer = service.api.post("/v1/uploads", body(service, "Wrong", image_urls=urls))
        assert answer.status == 422
        assert answer.json["errors"][0]["pointer"] == "/image_urls"
    assert service.sandbox.count("POST /v5/pins") == before
