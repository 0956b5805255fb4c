"""The engine inside this process, on the sandbox."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from conftest import ROOT
from test_process import posix, run

from multi_upload import (
    AsyncClient,
    Client,
    ConflictError,
    MediaError,
    NotFoundError,
    ServiceTimeoutError,
    ValidationError,
)

sys.path.insert(0, str(ROOT / "examples" / "python"))
from consent import allow as allow

IMAGE = ROOT / "examples" / "images" / "lemon-cake.jpg"


def pins(client: Client | AsyncClient) -> list[dict[str, Any]]:
    with urlopen(f"{client.sandbox_url}/_sandbox/ledger") as answer:
        made: list[dict[str, Any]] = json.load(answer)["pins"]
        return made


def test_a_file_becomes_a_pin(tmp_path: Path) -> None:
    with Client.local(tmp_path, sandbox=True) as client:
        account = client.accounts.connect("pinterest", open_browser=allow)
        assert [known.id for known in client.accounts.list()] == [account.id]
        board = next(client.boards.list(account, privacy="PUBLIC"))
        seen: list[tuple[int, int]] = []
        with IMAGE.open("rb") as file:
            media = client.media.upload(file, progress=lambda *step: seen.append(step))
        size = IMAGE.stat().st_size
        assert (media.width, media.height, media.bytes) == (600, 900, size)
        assert seen[-1] == (size, size)
        assert client.media.upload(IMAGE).sha256 == client.media.upload(IMAGE.read_bytes()).sha256

        upload = client.uploads.create(
            accounts=[account], board_id=board, media_id=media, title="Lemon cake"
        )
        published = client.uploads.wait(upload, timeout=60)
        target = published.targets[0]
        assert (published.status, target.error) == ("published", None)
        assert target.published_at is not None
        assert [pin["id"] for pin in pins(client)] == [target.remote_id]
        kinds = [event.kind for event in client.uploads.events(upload)]
        assert kinds[-1] in {"target.published", "upload.published"}


def test_the_same_with_asyncio(tmp_path: Path) -> None:
    async def main() -> list[str]:
        async with AsyncClient.local(tmp_path, sandbox=True) as client:
            account = await client.accounts.connect("pinterest", open_browser=allow)
            board = await anext(client.boards.list(account))
            media = await client.media.upload(IMAGE)
            results = await client.uploads.create_many(
                {"accounts": [account], "board_id": board, "media_id": media, "title": f"Pin {n}"}
                for n in range(3)
            )
            created = [result.upload for result in results if result.upload]
            uploads = await client.uploads.wait_many(created, timeout=60)
            assert [upload.status for upload in uploads] == ["published"] * 3
            watched = [upload.id async for upload in client.uploads.watch(created)]
            assert sorted(watched) == sorted(upload.id for upload in created)
            return sorted(pin["title"] for pin in pins(client))

    assert asyncio.run(main()) == ["Pin 0", "Pin 1", "Pin 2"]


def test_refusals_are_the_errors_of_the_service(tmp_path: Path) -> None:
    with Client.local(tmp_path, sandbox=True) as client:
        with pytest.raises(NotFoundError):
            client.uploads.get("up_0")
        with pytest.raises(MediaError):
            client.media.upload(b"no picture at all")
        account = client.accounts.connect("pinterest", open_browser=allow)
        with pytest.raises(ValidationError) as raised:
            client.uploads.create(
                accounts=[account],
                board_id="1",
                image_url="https://example.com/a.jpg",
                title="x" * 101,
            )
        assert "/title" in [error.pointer for error in raised.value.errors]
        checked = client.uploads.validate(accounts=[account], image_url="https://example.com/a.jpg")
        assert not checked.valid
        assert "/board_id" in [error.pointer for error in checked.errors]


def test_a_connection_that_nobody_confirms_runs_out_of_time(tmp_path: Path) -> None:
    with Client.local(tmp_path, sandbox=True) as client, pytest.raises(ServiceTimeoutError):
        client.accounts.connect("pinterest", open_browser=lambda url: None, timeout=0.2)


def test_without_a_browser_the_address_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webbrowser.open", lambda url: False)
    with Client.local(tmp_path, sandbox=True) as client, pytest.raises(ServiceTimeoutError):
        client.accounts.connect("pinterest", timeout=0.2)
    *_, address = capsys.readouterr().out.split()
    assert address.startswith("http://127.0.0.1:")
    assert "/oauth/" in address


def test_one_engine_at_a_time_and_the_next_finds_everything(tmp_path: Path) -> None:
    with Client.local(tmp_path, sandbox=True) as client:
        with pytest.raises(ConflictError) as raised:
            Client.local(tmp_path, sandbox=True)
        assert raised.value.code == "DATA_IN_USE"
        assert str(os.getpid()) in raised.value.detail
        account = client.accounts.connect("pinterest", open_browser=allow)
        board = next(client.boards.list(account))
        draft = client.uploads.create(
            accounts=[account], board_id=board, media_id=client.media.upload(IMAGE), draft=True
        )
    with Client.local(tmp_path, sandbox=True) as client:
        assert client.uploads.get(draft).status == "draft"
        assert [upload.id for upload in client.uploads.list(status="draft")] == [draft.id]


LEAVING = """
    import sys
    from multi_upload import Client
    client = Client.local(sys.argv[1], sandbox=True)
    print(client.service.health().status)
    {end}
"""


@pytest.mark.parametrize("end", ["client.close()", "pass", "del client", "sys.exit(0)"])
def test_leaving_stops_the_engine_and_frees_the_folder(tmp_path: Path, end: str) -> None:
    assert run(LEAVING.format(end=end), str(tmp_path)) == "ok\n"
    with Client.local(tmp_path, sandbox=True) as client:
        assert client.service.health().status == "ok"


@posix
def test_a_forked_child_leaves_the_engine_alone(tmp_path: Path) -> None:
    script = """
        import os, sys
        from multi_upload import Client, ConfigError
        client = Client.local(sys.argv[1], sandbox=True)
        child = os.fork()
        if child == 0:
            try:
                client.service.health()
            except ConfigError:
                del client
                sys.exit(0)
        _, status = os.waitpid(child, 0)
        print(status, client.service.health().status)
    """
    assert run(script, str(tmp_path)) == "0 ok\n"
