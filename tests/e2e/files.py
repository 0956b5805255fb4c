"""Files of any size for the tests, and uploading them with raw tus requests."""

from __future__ import annotations

import os
import struct
from hashlib import sha256
from pathlib import Path
from socket import SHUT_WR, create_connection
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from support import PATIENCE, ROOT, Answer

if TYPE_CHECKING:
    from support import Service

MIB = 1024 * 1024
TUS = {"tus-resumable": "1.0.0"}
PIECE = TUS | {"content-type": "application/offset+octet-stream"}
FILM = ROOT / "media" / "tests" / "files" / "index-front.mp4"


def video(path: Path, size: int) -> str:
    """Writes a film of this size, most of it a box that players pass over; gives its SHA-256."""
    film = FILM.read_bytes()
    rest = size - len(film)
    noise = os.urandom(MIB)
    sum256 = sha256()
    with path.open("wb") as file:
        for part in (film, struct.pack(">I4s", rest, b"free")):
            file.write(part)
            sum256.update(part)
        left = rest - 8
        while left:
            part = noise[:left]
            file.write(part)
            sum256.update(part)
            left -= len(part)
    return sum256.hexdigest()


def begin(service: Service, length: int, **headers: str) -> str:
    """The path of a new file."""
    more = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = service.api.call(
        "POST", "/v1/media", None, TUS | {"upload-length": str(length)} | more
    )
    answer.ok(201)
    return str(answer.headers["location"])


def offset(service: Service, path: str) -> int:
    """How much of a file has arrived."""
    answer = service.api.call("HEAD", path, headers=TUS)
    assert answer.status == 200, answer.body
    return int(answer.headers["upload-offset"])


def append(service: Service, path: str, at: int, piece: bytes) -> Answer:
    return service.api.call("PATCH", path, piece, PIECE | {"upload-offset": str(at)})


def break_off(service: Service, path: str, at: int, piece: bytes, announced: int) -> None:
    """Sends the beginning of a piece and hangs up, so that the service has noticed it."""
    base = urlsplit(service.api.url)
    lines = [
        f"PATCH {path} HTTP/1.1",
        f"host: {base.netloc}",
        f"authorization: Bearer {service.api.key}",
        f"content-length: {announced}",
        f"upload-offset: {at}",
        *(f"{name}: {value}" for name, value in PIECE.items()),
    ]
    with create_connection((base.hostname, base.port), PATIENCE) as line:
        line.sendall("\r\n".join([*lines, "", ""]).encode() + piece)
        line.shutdown(SHUT_WR)
        while line.recv(4096):
            pass
