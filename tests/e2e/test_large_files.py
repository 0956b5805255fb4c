"""Large files arrive whole wherever they are cut, in constant memory, and are kept well."""

from __future__ import annotations

import json
import os
import random
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from files import MIB, TUS, append, begin, break_off, offset, video
from support import BINARY, Service, clean_environment, png, until


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Service]:
    """A service of the test's own, with its sandbox."""
    with Service(tmp_path, "--sandbox") as service:
        yield service


def test_cut_at_any_byte_it_goes_on_where_it_was(service: Service, tmp_path: Path) -> None:
    chance = random.Random(4)
    size = 3 * MIB + 17
    expected = video(tmp_path / "film.mp4", size)
    film = (tmp_path / "film.mp4").read_bytes()
    path = begin(service, size)
    at = 0
    for cut in [1, 15, 16, *sorted(chance.randrange(17, size) for _ in range(12))]:
        break_off(service, path, at, film[at:cut], size - at)
        at = offset(service, path)
        assert at == cut
    assert append(service, path, at, film[at:]).status == 204
    media = service.api.get(path)
    assert (media["status"], media["bytes"], media["sha256"]) == ("ready", size, expected)
    assert (media["kind"], media["content_type"]) == ("video", "video/mp4")
    assert media["video_codec"] == "h264"
    assert media["duration_ms"] > 0


def test_a_killed_service_goes_on_where_it_was(own: Service, tmp_path: Path) -> None:
    size = 200 * MIB
    expected = video(tmp_path / "film.mp4", size)
    film = (tmp_path / "film.mp4").read_bytes()
    path = begin(own, size)
    sent = 150 * MIB + 3
    folder = own.data / "media" / "incoming"

    def send() -> None:
        with suppress(ConnectionError):
            break_off(own, path, 0, film[:sent], size)

    thread = threading.Thread(target=send)
    thread.start()
    arrived = folder / path.rsplit("/", 1)[1]
    until(lambda: arrived.exists() and arrived.stat().st_size > 130 * MIB, "much has arrived")
    own.kill()
    thread.join()
    own.start()
    at = offset(own, path)
    # Not all of it is lost, and nothing is claimed that is not there.
    assert 64 * MIB <= at <= sent
    assert append(own, path, at, film[at:]).status == 204
    media = own.api.get(path)
    assert (media["status"], media["sha256"]) == ("ready", expected)
    assert not list(folder.iterdir())


def test_the_same_content_is_kept_once_and_goes_with_its_last_file(own: Service) -> None:
    folder = own.data / "media" / "files"
    picture = png(120, 180)
    paths = []
    for _ in range(2):
        path = begin(own, len(picture))
        append(own, path, 0, picture)
        paths.append(path)
    first, second = (own.api.get(path) for path in paths)
    assert (first["id"] != second["id"], first["sha256"]) == (True, second["sha256"])
    assert len(list(folder.iterdir())) == 1
    own.api.call("DELETE", paths[0], headers=TUS).ok(204)
    assert own.api.get(paths[1])["status"] == "ready"
    assert len(list(folder.iterdir())) == 1
    own.api.call("DELETE", paths[1], headers=TUS).ok(204)
    assert not list(folder.iterdir())


def test_limits_are_told_before_anything_is_taken(tmp_path: Path) -> None:
    with Service(tmp_path, "--sandbox", "--media-quota", "1000KB") as service:
        begin(service, 600_000)
        key = service.api.key
        answer = service.api.call("POST", "/v1/media", None, TUS | {"upload-length": "600000"})
        assert answer.json["code"] == "QUOTA_EXHAUSTED"
        assert "MULTI_UPLOAD_MEDIA_QUOTA" in answer.json["remedy"]
        service.signal(15)
        service.ended()
    with Service(tmp_path, "--sandbox", "--min-free", "900TB") as service:
        service.api.key = key
        answer = service.api.call("POST", "/v1/media", None, TUS | {"upload-length": "600000"})
        assert (answer.status, answer.json["code"]) == (503, "STORAGE_FULL")
        assert "MULTI_UPLOAD_MIN_FREE" in answer.json["remedy"]


def resident(pid: int) -> int:
    """The most memory that a process ever had, in bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmHWM")


def command(*args: str, env: dict[str, str]) -> tuple[int, str, int]:
    """Exit code, output and most memory of a command."""
    process = subprocess.Popen([BINARY, *args], stdout=subprocess.PIPE, text=True, env=env)
    assert process.stdout is not None
    text = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stdout.close()
    return process.returncode, text, usage.ru_maxrss * 1024


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_memory_stays_the_same_however_large_a_file_is(own: Service, tmp_path: Path) -> None:
    own.connect()
    assert own.process is not None
    env = clean_environment(MULTI_UPLOAD_URL=own.api.url, MULTI_UPLOAD_API_KEY=own.api.key or "")
    small, large = tmp_path / "small.png", tmp_path / "large.mp4"
    small.write_bytes(png())
    expected = video(large, 512 * MIB)
    pin = ("--json", "pin", "--board", own.boards[0]["id"], "--dry-run")
    _, _, client_before = command(*pin, str(small), env=env)
    server_before = resident(own.process.pid)
    _, _, client_after = command(*pin, str(large), env=env)
    server_after = resident(own.process.pid)
    assert client_after - client_before < 24 * MIB, (client_before, client_after)
    assert server_after - server_before < 32 * MIB, (server_before, server_after)
    # It is all there: the same file is found at once, by its key.
    files = [file for file in (own.data / "media" / "files").iterdir() if file.stat().st_size > MIB]
    assert [file.stat().st_size for file in files] == [512 * MIB]
    media = own.api.get(f"/v1/media/{files[0].name}")
    assert media["sha256"] == expected
    print(
        json.dumps({"client": client_after - client_before, "server": server_after - server_before})
    )
