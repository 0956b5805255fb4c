"""Posting slots: uploads fill them in order, whoever asks at once, and whatever dies."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

import pytest
from support import Service, moment, run

PARIS = ZoneInfo("Europe/Paris")
CALLERS = 20


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Service]:
    """A service whose slots no other test fills."""
    with Service(tmp_path, "--sandbox") as service:
        service.connect()
        yield service


def slot(service: Service, **more: Any) -> dict[str, Any]:
    fields = {"account": service.account["id"], "time": "09:30", "timezone": "Europe/Paris"}
    return service.api.post("/v1/slots", fields | more).ok(201)


def mornings(count: int) -> list[datetime]:
    """The next times that it is 9:30 in Paris."""
    now = datetime.now(timezone.utc)
    first = now.astimezone(PARIS).replace(hour=9, minute=30, second=0, microsecond=0)
    days = (first + timedelta(days=n) for n in range(count + 1))
    return [day.astimezone(timezone.utc) for day in days if day > now][:count]


def test_three_uploads_fill_three_occurrences(own: Service) -> None:
    made = slot(own)
    expected = mornings(4)
    uploads = [own.api.create(**own.pin(f"Pin {n}", schedule="next_slot")) for n in range(3)]
    assert [moment(upload["scheduled_at"]) for upload in uploads] == expected[:3]
    [filled] = own.api.get("/v1/slots")["items"]
    assert filled["id"] == made["id"]
    assert filled["taken"] == 3
    assert moment(filled["next_free_at"]) == expected[3]
    limits = own.api.get(f"/v1/accounts/{quote(own.account['id'], safe='')}/limits")
    assert limits["slots"]["taken"] == 3
    assert limits["writes"]["left"] == limits["writes"]["limit"] - limits["writes"]["used"]

    # What is given up goes to the next.
    own.api.post(f"/v1/uploads/{uploads[1]['id']}/cancel", {}).ok()
    again = own.api.create(**own.pin("Again", schedule="next_slot"))
    assert moment(again["scheduled_at"]) == expected[1]


def test_without_slots_the_remedy_is_named(own: Service) -> None:
    answer = own.api.post("/v1/uploads", own.pin("Alone", schedule="next_slot"))
    assert answer.status == 422
    assert answer.json["code"] == "NO_FREE_SLOT"
    assert own.account["id"] in answer.json["detail"]
    assert "slots add" in answer.json["remedy"]
    assert own.api.get("/v1/uploads")["items"] == []


def create_all(service: Service) -> list[dict[str, Any]]:
    """Many callers at once, each with a key of its own; without those that got no answer."""

    def create(n: int) -> dict[str, Any] | None:
        with suppress(OSError, HTTPException):
            fields = service.pin(f"Pin {n}", board=n % 10, schedule="next_slot")
            return service.api.post("/v1/uploads", fields, idempotency_key=f"key-{n}").ok(202)
        return None

    with ThreadPoolExecutor(CALLERS) as pool:
        return [upload for upload in pool.map(create, range(CALLERS)) if upload]


def check(service: Service, answered: list[dict[str, Any]]) -> None:
    """One upload for each caller, each with an occurrence of its own, without holes."""
    stored = {upload["id"]: upload for upload in service.api.get("/v1/uploads")["items"]}
    assert len(stored) == CALLERS
    times = sorted(moment(upload["scheduled_at"]) for upload in stored.values())
    assert times == mornings(CALLERS)
    for upload in answered:
        assert stored[upload["id"]]["scheduled_at"] == upload["scheduled_at"]


def test_many_at_once_share_no_slot(own: Service) -> None:
    slot(own)
    answered = create_all(own)
    assert len(answered) == CALLERS
    check(own, answered)


def test_a_kill_loses_no_slot(own: Service) -> None:
    slot(own)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(create_all, own)
        # Some are stored, others are under way.
        while not own.api.get("/v1/uploads")["items"]:
            assert not first.done()
        own.kill()
        answered = first.result()
    own.start()
    # What was answered is there, and everybody asks again with the same key.
    stored = {upload["id"] for upload in own.api.get("/v1/uploads")["items"]}
    assert {upload["id"] for upload in answered} <= stored
    again = create_all(own)
    assert len(again) == CALLERS
    check(own, answered + again)


def test_slots_from_the_shell(own: Service) -> None:
    assert own.api.key
    settings = {"MULTI_UPLOAD_URL": own.api.url, "MULTI_UPLOAD_API_KEY": own.api.key}
    add = ("slots", "add", "--time", "09:30", "--timezone", "Europe/Paris")
    [made] = own.command(*add, env=settings)
    assert made["account"] == own.account["id"]
    assert len(made["weekdays"]) == 7
    pin = ("pin", "https://yourcdn.example/a.jpg", "--board", own.boards[0]["id"], "--next-slot")
    [upload] = own.command(*pin, "--title", "Queued", env=settings)
    assert moment(upload["scheduled_at"]) == mornings(1)[0]
    [listed] = own.command("slots", "list", env=settings)
    assert listed["taken"] == 1
    for_people = run("slots", "list", env=settings)
    assert "daily" in for_people.stdout
    assert made["id"] in for_people.stdout

    [twin] = own.command(*add, env=settings)
    assert twin["id"] == made["id"], "twice the same is one"
    [removed] = own.command("slots", "remove", made["id"], env=settings)
    assert removed == {"id": made["id"], "removed": True}
    assert own.command("slots", "list", env=settings) == []
