"""``uploads.create`` with files of this machine, on the engine in this process."""

from __future__ import annotations

import asyncio
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from test_local import IMAGE, allow, pins

from multi_upload import AsyncClient, Client, ValidationError

FILM = ROOT / "media" / "tests" / "files" / "index-front.mp4"


def film(path: Path) -> Path:
    """The two seconds of the test film, played in ten."""
    content = bytearray(FILM.read_bytes())
    for kind in (b"mvhd", b"mdhd"):
        at = content.find(kind)
        while at > 0:
            scale = int.from_bytes(content[at + 16 : at + 20], "big")
            content[at + 16 : at + 20] = (scale // 5).to_bytes(4, "big")
            at = content.find(kind, at + 4)
    path.write_bytes(content)
    return path


def test_a_path_bytes_or_an_open_file_becomes_a_pin(tmp_path: Path) -> None:
    clip = film(tmp_path / "clip.mp4")
    with Client.local(tmp_path / "data", sandbox=True) as client:
        account = client.accounts.connect("pinterest", open_browser=allow)
        board = next(client.boards.list(account, privacy="PUBLIC"))
        common: dict[str, Any] = {"accounts": [account], "board_id": board}
        with IMAGE.open("rb") as file:
            uploads = [
                client.uploads.create(title="one", image=IMAGE, **common),
                client.uploads.create(title="two", image=IMAGE.read_bytes(), **common),
                client.uploads.create(title="three", images=[str(IMAGE), file], **common),
                client.uploads.create(title="four", video=clip, cover=IMAGE, **common),
            ]
        ended = client.uploads.wait_many(uploads, timeout=60)
        assert [upload.status for upload in ended] == ["published"] * 4
        made = {pin["title"]: pin for pin in pins(client)}
        kinds = {title: pin["media_kind"] for title, pin in made.items()}
        assert kinds == {"one": "image", "two": "image", "three": "carousel", "four": "video"}
        picture = sha256(IMAGE.read_bytes()).hexdigest()
        sent = [media["sha256"] for pin in made.values() for media in pin["media"]]
        assert sent == [picture] * 5

        # Repeated under one key, it is the same upload.
        again = [
            client.uploads.create(title="five", video=clip, idempotency_key="film", **common)
            for _ in range(2)
        ]
        assert again[0].id == again[1].id

        with pytest.raises(ValidationError) as refused:
            client.uploads.create(image=IMAGE, media_id="md_1", **common)
        assert refused.value.errors[0].pointer == "/media_id"


def test_the_asynchronous_client_takes_files_too(tmp_path: Path) -> None:
    async def go() -> None:
        async with AsyncClient.local(tmp_path, sandbox=True) as client:
            account = await client.accounts.connect("pinterest", open_browser=allow)
            boards = [board async for board in client.boards.list(account, privacy="PUBLIC")]
            upload = await client.uploads.create(
                accounts=[account], board_id=boards[0], title="one", images=[IMAGE, IMAGE]
            )
            assert (await client.uploads.wait(upload, timeout=60)).status == "published"

    asyncio.run(go())
