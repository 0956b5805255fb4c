"""Files in a bucket: any node goes on with an upload, and nothing of it is on their disks."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from bucket import bucket
from cluster import database
from files import MIB, TUS, append, begin, break_off, offset, video
from support import Service, png, run


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with bucket(tmp_path_factory.mktemp("weed")) as settings:
        yield settings


def on_disk(service: Service) -> list[Path]:
    """Files of the data folder that are larger than any of its own."""
    found = (path for path in service.data.rglob("*") if path.is_file())
    return [path for path in found if "media" in path.parts]


def test_one_service_keeps_its_files_in_a_bucket(place: dict[str, str], tmp_path: Path) -> None:
    size = 20 * MIB + 7
    expected = video(tmp_path / "film.mp4", size)
    film = (tmp_path / "film.mp4").read_bytes()
    with Service(tmp_path, "--sandbox", env=place) as service:
        service.connect()
        # A small file is one object; a large one arrives in pieces of any size, over a death.
        picture = png(120, 180)
        path = begin(service, len(picture))
        append(service, path, 0, picture)
        media = service.api.get(path)
        fields = service.pin("From a bucket", media_id=media["id"])
        del fields["image_url"]
        [upload] = service.api.wait([service.api.create(**fields)])
        assert upload["status"] == "published"
        [pin] = service.sandbox.titled("From a bucket")
        assert pin["media"][0]["sha256"] == media["sha256"]

        path = begin(service, size)
        for cut in (5, 3 * MIB, 8 * MIB, 8 * MIB + 1, 17 * MIB):
            at = offset(service, path)
            assert append(service, path, at, film[at:cut]).status == 204
        break_off(service, path, cut, film[cut : cut + 100_000], size - cut)
        service.kill()
        service.start()
        at = offset(service, path)
        assert 17 * MIB <= at <= 17 * MIB + 100_000
        assert append(service, path, at, film[at:]).status == 204
        media = service.api.get(path)
        assert (media["status"], media["sha256"]) == ("ready", expected)
        assert (media["video_codec"], media["bytes"]) == ("h264", size)
        service.api.call("DELETE", path, headers=TUS).ok(204)
        assert not on_disk(service)


def test_another_node_goes_on_with_an_upload(place: dict[str, str], tmp_path: Path) -> None:
    size = 30 * MIB
    expected = video(tmp_path / "film.mp4", size)
    film = (tmp_path / "film.mp4").read_bytes()
    with database() as url:
        settings = place | {
            "MULTI_UPLOAD_DATABASE_URL": url,
            "MULTI_UPLOAD_MASTER_KEY": base64.b64encode(os.urandom(32)).decode(),
        }
        folders = [tmp_path / name for name in ("one", "two")]
        for folder in folders:
            folder.mkdir()
        with (
            Service(folders[0], env=settings) as one,
            Service(folders[1], env=settings) as two,
        ):
            two.api.key = one.api.key or two.api.key
            one.api.key = two.api.key
            path = begin(one, size)
            nodes = [one, two] * 3
            for node, cut in zip(
                nodes, (MIB, 9 * MIB + 5, 10 * MIB, 20 * MIB, 29 * MIB, size), strict=True
            ):
                at = offset(node, path)
                assert append(node, path, at, film[at:cut]).status == 204
            for node in (one, two):
                media = node.api.get(path)
                assert (media["status"], media["sha256"]) == ("ready", expected)
                assert not on_disk(node)


def test_plain_http_must_be_asked_for(place: dict[str, str], tmp_path: Path) -> None:
    env = {name: value for name, value in place.items() if name != "AWS_ALLOW_HTTP"}
    done = run("--json", "serve", "--listen", "127.0.0.1:0", "--data", str(tmp_path), env=env)
    assert done.returncode != 0
    assert "AWS_ALLOW_HTTP=true" in done.stderr
    wrong = place | {"AWS_SECRET_ACCESS_KEY": "another"}
    done = run("--json", "serve", "--listen", "127.0.0.1:0", "--data", str(tmp_path), env=wrong)
    assert done.returncode != 0
    assert "another" not in done.stderr
    assert "AWS_SECRET_ACCESS_KEY" in done.stderr
