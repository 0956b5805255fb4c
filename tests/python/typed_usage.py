"""Read by type checkers, never run: where a line says `type: ignore` there must be an error."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timezone
from pathlib import Path

from typing_extensions import assert_type

from multi_upload import (
    Account,
    AsyncClient,
    BatchResult,
    Board,
    Client,
    MultiUploadError,
    RateLimitError,
    Upload,
    UploadRow,
    Validation,
    ValidationError,
)


def plain(client: Client, account: Account, board: Board) -> None:
    assert_type(client.boards.list(account), Iterator[Board])
    upload = client.uploads.create(
        accounts=[account, "pinterest:549"],
        board_id=board,
        media_id=client.media.upload(Path("cake.jpg")),
        scheduled_at=datetime.now(timezone.utc),
    )
    assert_type(upload, Upload)
    assert_type(upload.scheduled_at, "datetime | None")
    assert_type(upload.targets[0].error, "MultiUploadError | None")
    assert_type(client.uploads.create(accounts=["a:1"], dry_run=True, title="x"), Validation)
    assert_type(client.uploads.validate(accounts=["a:1"], title="x"), Validation)

    row: UploadRow = {"accounts": [account], "title": "Pin", "idempotency_key": "pin-1"}
    assert_type(client.uploads.create_many([row], progress=print), list[BatchResult])
    with client as same:
        assert_type(same, Client)
    with Client.local("data", sandbox=True) as local:
        assert_type(local, Client)

    client.uploads.create(image_url="https://example.com/a.jpg")  # type: ignore[call-overload]
    client.uploads.create(accounts=[account], titel="Pin")  # type: ignore[call-overload]
    client.uploads.create(accounts=[account], title=1)  # type: ignore[call-overload]
    client.uploads.get("up_1", 5)  # type: ignore[call-arg]
    client.uploads.update("up_1", titel="Pin")  # type: ignore[call-arg]
    client.uploads.create_many([1])  # type: ignore[list-item]
    client.accounts.connect("pinterest", open_browser="yes")  # type: ignore[arg-type]
    client.media.upload(5)  # type: ignore[arg-type]
    print(upload.titel)  # type: ignore[attr-defined]
    print(upload.scheduled_at.year)  # type: ignore[union-attr]
    wrong: UploadRow = {"titel": "Pin"}  # type: ignore[typeddict-unknown-key]
    print(wrong)


async def asynchronous(client: AsyncClient, account: Account) -> None:
    assert_type(client.boards.list(account), AsyncIterator[Board])
    assert_type(await client.uploads.get("up_1"), Upload)
    assert_type(await client.uploads.create(accounts=[account], dry_run=True), Validation)
    assert_type(await client.uploads.create_many([]), list[BatchResult])
    async with AsyncClient.local("data") as local:
        assert_type(local, AsyncClient)
    async for upload in client.uploads.watch():
        assert_type(upload, Upload)

    print(client.uploads.get("up_1").status)  # type: ignore[attr-defined]
    for board in client.boards.list(account):  # type: ignore[attr-defined]
        print(board)
    with client:  # type: ignore[attr-defined]
        pass


def errors(error: ValidationError, limited: RateLimitError) -> None:
    assert_type(error.code, str)
    assert_type(error.errors[0].pointer, str)
    assert_type(limited.retry_after, "float | None")
    base: MultiUploadError = error
    value: ValueError = error
    print(base, value, error.pointer)  # type: ignore[attr-defined]
