"""What callers may pass, and what they are told when it cannot be sent."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from servers import Echo

from multi_upload import Account, Board, Client, Media, UploadRow


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with Echo() as server, Client(server.url, "mu_test_key") as client:
        yield client


def sent(client: Client, **fields: Any) -> dict[str, Any]:
    upload = client.uploads.create(accounts=["pinterest:549"], **fields)
    content: dict[str, Any] = upload.content.to_dict()
    return content


def test_records_stand_for_their_id(client: Client) -> None:
    content = client.uploads.create(
        accounts=[Account({"id": "pinterest:549"}), "pinterest:550"],
        board_id=Board({"id": "7"}),
        media_id=Media({"id": "md_1"}),
    ).content
    assert content.accounts == ["pinterest:549", "pinterest:550"]
    assert (content.board_id, content.media_id) == ("7", "md_1")


def test_datetimes_keep_their_offset(client: Client) -> None:
    zone = timezone(timedelta(hours=2))
    aware = sent(client, scheduled_at=datetime(2026, 12, 1, 20, 30, tzinfo=zone))
    assert aware["scheduled_at"] == "2026-12-01T20:30:00+02:00"
    local = sent(client, scheduled_at=datetime(2026, 12, 1, 20, 30), timezone="Europe/Paris")
    assert local["scheduled_at"] == "2026-12-01T20:30:00"


def test_paths_tuples_and_nested_values(client: Client) -> None:
    class Whole:
        def __index__(self) -> int:
            return 41

    values = (1, 2**63, -1, 0.5, True, None, "ü", Path("a") / "b", Whole(), {"x": ()})
    content = sent(client, pinterest={"values": values})
    expected: list[object] = [1, 2**63, -1, 0.5, True, None, "ü", "a/b", 41, {"x": []}]
    assert content["pinterest"]["values"] == expected


def loop() -> list[Any]:
    endless: list[Any] = []
    endless.append(endless)
    return endless


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({1, 2}, r"pinterest\.a\[1\]: an object of type set"),
        (math.nan, r"pinterest\.a\[1\]: NaN or infinity"),
        (2**64, r"pinterest\.a\[1\]: an integer beyond 64 bits"),
        ({1: 2}, r"pinterest\.a\[1\]: a key that is not text"),
        (b"x", r"pinterest\.a\[1\]: an object of type bytes"),
    ],
)
def test_what_cannot_be_sent_is_named(client: Client, value: object, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        sent(client, pinterest={"a": [0, value]})


def test_a_list_that_contains_itself_is_refused(client: Client) -> None:
    with pytest.raises(ValueError, match="nested too deeply"):
        sent(client, pinterest={"a": loop()})


def test_a_batch_comes_from_any_iterable_in_order(client: Client) -> None:
    rows: Iterator[UploadRow] = (
        {"accounts": ["pinterest:549"], "title": f"Pin {number}", "caption": None}
        for number in range(250)
    )
    seen: list[tuple[int, int]] = []
    results = client.uploads.create_many(
        rows, progress=lambda done, total: seen.append((done, total))
    )
    titles = [result.upload.content.title for result in results if result.upload]
    assert titles == [f"Pin {number}" for number in range(250)]
    assert seen[-1] == (250, 250)
    assert seen == sorted(seen)


def test_none_clears_a_field_in_an_update(client: Client) -> None:
    content = client.uploads.update("up_1", title=None, link="https://example.com").content
    assert content.to_dict() == {"accounts": [], "title": None, "link": "https://example.com"}
