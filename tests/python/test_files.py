"""Files of any kind go up as they are read, in-process and by path."""

from __future__ import annotations

import asyncio
import io
import struct
import threading
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from conftest import ROOT

from multi_upload import AsyncClient, Client, MultiUploadError, ValidationError

FILM = (ROOT / "media" / "tests" / "files" / "index-front.mp4").read_bytes()
SIZE = 9 * 1024 * 1024 + 5
# The film and a box that players pass over.
LARGE = FILM + struct.pack(">I4s", SIZE - len(FILM), b"free") + bytes(SIZE - len(FILM) - 8)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with Client.local(tmp_path_factory.mktemp("data"), sandbox=True) as client:
        yield client


def pieces() -> Iterator[bytes]:
    for at in range(0, SIZE, 300_000):
        yield LARGE[at : at + 300_000]


class Pipe(io.RawIOBase):
    """A file that cannot tell its length."""

    def __init__(self) -> None:
        self.left = pieces()

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        return next(self.left, b"")


def test_whatever_it_comes_from_it_arrives_whole(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(LARGE)
    expected = sha256(LARGE).hexdigest()
    for source in (path, str(path), LARGE, io.BytesIO(LARGE), Pipe(), pieces()):
        seen: list[tuple[int, int]] = []
        media = client.media.upload(source, progress=lambda *step, seen=seen: seen.append(step))
        assert (media.sha256, media.bytes, media.kind) == (expected, SIZE, "video")
        assert media.duration_ms is not None
        assert seen == sorted(seen)
        assert seen[-1][0] == SIZE or isinstance(source, (Pipe, Iterator))
    with path.open("rb") as file:
        file.seek(len(LARGE) - 100)
        with pytest.raises(MultiUploadError, match="MEDIA_TYPE_UNSUPPORTED"):
            client.media.upload(file)


def test_a_source_that_fails_says_why(client: Client) -> None:
    def broken() -> Iterator[bytes]:
        yield LARGE[:5_000_000]
        raise OSError("the disk is gone")

    with pytest.raises(ValidationError, match="the disk is gone"):
        client.media.upload(broken())
    with pytest.raises(ValidationError, match='open files with "rb"'):
        client.media.upload(io.StringIO("text"))  # type: ignore[arg-type]


def test_another_call_with_the_same_key_goes_on(client: Client) -> None:
    first = client.media.upload(LARGE, idempotency_key="film")
    assert client.media.upload(LARGE, idempotency_key="film").id == first.id
    other = LARGE[:-1] + b"x"
    with pytest.raises(MultiUploadError, match="IDEMPOTENCY_BODY_MISMATCH"):
        client.media.upload(other, idempotency_key="film")


def test_asyncio_reads_beside_the_loop(tmp_path: Path) -> None:
    threads = set()

    def watched() -> Iterator[bytes]:
        for piece in pieces():
            threads.add(threading.get_ident())
            yield piece

    async def main() -> int:
        async with AsyncClient.local(tmp_path, sandbox=True) as client:
            return (await client.media.upload(watched())).bytes

    assert asyncio.run(main()) == SIZE
    assert threading.get_ident() not in threads
