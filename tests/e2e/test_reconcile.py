"""An answer that does not tell whether the pin exists: the service looks until it is certain.

The quiet period is seconds here. What the fake network does late, it does well within it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import consent
import pytest
from support import Sandbox, Service, fault, in_seconds, moment, waits_for

PINS = ("POST", "/v5/pins")
QUIET = {"MULTI_UPLOAD_QUIET_PERIOD": "2s"}


class Case(NamedTuple):
    """A fault of the request that makes a pin, and whether the pin exists all the same."""

    title: str
    exists: bool
    action: dict[str, Any]


CASES = [
    Case("500 behind", True, {"when": "after", "status": 500}),
    Case("504 behind", True, {"when": "after", "gateway_page": 504}),
    Case("Cut in the head", True, {"when": "after", "cut": {"at_byte": 9}}),
    Case("Cut in the body", True, {"when": "after", "cut": {"after_bytes": 5}}),
    Case("Silent behind", True, {"when": "after", "hang": {"max_ms": 300}}),
    Case("No id", True, {"when": "after", "id": "missing"}),
    Case("Applied late", True, {"when": "late", "apply_after_ms": 900, "cut": {}}),
    Case("Redirected", False, {"redirect": "/v5/pins"}),
    Case("Cut ahead", False, {"cut": {}}),
    Case("Cut in the head ahead", False, {"cut": {"at_byte": 9}}),
    Case("Silent ahead", False, {"hang": {"max_ms": 300}}),
    Case("500 ahead", False, {"status": 500}),
    Case("503 ahead", False, {"gateway_page": 503}),
    Case(
        "Another limit",
        False,
        {"status": 429, "headers": {"x-ratelimit-reset": "1"}, "body": {"message": "slow down"}},
    ),
]


def faults(cases: list[Case]) -> list[dict[str, Any]]:
    # With its quotation marks: no title is a part of another one.
    return [fault(*PINS, body_contains=f'"{case.title}"', **case.action) for case in cases]


def kinds(service: Service, upload: dict[str, Any]) -> list[str]:
    return [e["kind"] for e in service.api.get(f"/v1/uploads/{upload['id']}/events")["items"]]


def check(sandbox: Sandbox, upload: dict[str, Any], attempts: int) -> None:
    """It is published, as the one pin of its title."""
    assert upload["status"] == "published", upload
    [target] = upload["targets"]
    assert target["error"] is None
    assert target["attempts"] == attempts
    [pin] = sandbox.titled(upload["content"]["title"])
    assert target["remote_id"] == pin["id"]
    assert target["remote_url"] == f"https://www.pinterest.com/pin/{pin['id']}/"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The service of a file, with a quiet period that a test can wait for."""
    folder = tmp_path_factory.mktemp("service")
    with Service(folder, "--sandbox", env=QUIET) as service:
        service.connect()
        yield service


@pytest.fixture(scope="module")
def doubted(shared: Service) -> dict[str, dict[str, Any]]:
    """An upload for each case, each on its own board, once all have ended; by title."""
    shared.sandbox.faults(*faults(CASES))
    made = [shared.api.create(**shared.pin(case.title, 1 + n)) for n, case in enumerate(CASES)]
    done = shared.api.wait(made)
    assert shared.sandbox.struck() == [1] * len(CASES)
    return {upload["content"]["title"]: upload for upload in done}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_whatever_the_answer_was_there_is_one_pin(
    shared: Service, doubted: dict[str, dict[str, Any]], case: Case
) -> None:
    upload = doubted[case.title]
    check(shared.sandbox, upload, attempts=1 if case.exists else 2)
    timeline = kinds(shared, upload)
    sent = ["target.armed", "target.reconciling"]
    again = [] if case.exists else ["target.absent", "target.armed"]
    looks = [kind for kind in timeline if kind != "target.looked"]
    assert looks[-len(sent + again) - 1 :] == [*sent, *again, "target.published"]


def test_nothing_is_sent_again_within_the_quiet_period(
    shared: Service, doubted: dict[str, dict[str, Any]]
) -> None:
    for case in CASES:
        path = f"/v1/uploads/{doubted[case.title]['id']}/events"
        events = shared.api.get(path)["items"]
        armed = [moment(event["at"]) for event in events if event["kind"] == "target.armed"]
        assert len(armed) == 1 + (not case.exists)
        assert all((later - armed[0]).total_seconds() >= 2 for later in armed[1:])


def test_while_it_looks_the_upload_is_being_published(service: Service) -> None:
    cut = fault(*PINS, when="late", apply_after_ms=900, cut={})
    service.sandbox.faults(cut)
    upload = service.api.create(**service.pin("Looking", 15))

    def is_in_doubt(upload: dict[str, Any]) -> bool:
        return upload["targets"][0]["error"] is not None

    [looking] = service.api.wait([upload], is_in_doubt)
    assert looking["status"] == "publishing"
    assert looking["targets"][0]["status"] == "publishing"
    for call in ("cancel", "retry"):
        refused = service.api.post(f"/v1/uploads/{upload['id']}/{call}", None)
        assert (refused.status, refused.json["code"]) == (409, "STATE_CONFLICT")
    [done] = service.api.wait([upload])
    check(service.sandbox, done, attempts=1)


def with_lists(service: Service, *cuts: dict[str, Any], **switches: Any) -> None:
    """Faults together with the way the network's lists are."""
    script = {"faults": cuts, "switches": switches}
    service.sandbox.api.call("PUT", "/_sandbox/faults", script).ok()


@pytest.mark.parametrize(("board", "when"), [(16, "before"), (17, "after")])
def test_lists_that_lag_behind(service: Service, board: int, when: str) -> None:
    with_lists(service, fault(*PINS, when=when, cut={}), list_delay_ms=1_000)
    [done] = service.api.wait([service.api.create(**service.pin(f"Lagging {when}", board))])
    check(service.sandbox, done, attempts=1 if when == "after" else 2)


def test_lists_that_are_stale_for_a_while(service: Service) -> None:
    with_lists(service, fault(*PINS, when="after", cut={}), lists="stale")
    upload = service.api.create(**service.pin("Stale", 18))
    service.api.wait([upload], lambda _: "target.looked" in kinds(service, upload))
    service.sandbox.clear()
    [done] = service.api.wait([upload])
    check(service.sandbox, done, attempts=1)


def test_lists_that_show_nothing_prove_nothing(service: Service) -> None:
    """The board counts a pin, its list does not show it: a person has to say."""
    before = service.sandbox.count("POST /v5/pins")
    with_lists(service, fault(*PINS, when="after", cut={}), lists="empty")
    [upload] = service.api.wait([service.api.create(**service.pin("Hidden", 19))])
    [target] = upload["targets"]
    assert target["status"] == "needs_review"
    assert target["attempts"] == 1
    assert target["error"]["code"] == "OUTCOME_UNKNOWN"
    assert kinds(service, upload)[-1] == "target.needs_review"
    [pin] = service.sandbox.titled("Hidden")
    assert service.sandbox.count("POST /v5/pins") == before + 1

    path = f"/v1/uploads/{upload['id']}/resolve"
    answer = {"resolution": "published", "remote_id": pin["id"]}
    check(service.sandbox, service.api.post(path, answer).ok(), attempts=1)


def test_an_empty_board_that_counts_nothing_proves_it(service: Service) -> None:
    with_lists(service, fault(*PINS, cut={}), lists="empty")
    [done] = service.api.wait([service.api.create(**service.pin("Absent", 20))])
    check(service.sandbox, done, attempts=2)


def test_lists_that_cannot_be_read_for_a_while(service: Service) -> None:
    # The baseline is read; then the network is down for some looks.
    down = fault("GET", "/v5/boards/*/pins", nth=2, count=4, status=500)
    service.sandbox.faults(fault(*PINS, when="after", cut={}), down)
    [done] = service.api.wait([service.api.create(**service.pin("Unreadable", 21))])
    check(service.sandbox, done, attempts=1)
    assert service.sandbox.struck() == [1, 4]


@pytest.mark.parametrize(("board", "when"), [(22, "before"), (23, "after")])
def test_identical_pins_each_get_their_own(service: Service, board: int, when: str) -> None:
    title = f"Twins {when}"
    service.sandbox.faults(fault(*PINS, when=when, cut={}))
    twins = service.api.wait([service.api.create(**service.pin(title, board)) for _ in "12"])
    assert [twin["status"] for twin in twins] == ["published"] * 2
    remote = [twin["targets"][0]["remote_id"] for twin in twins]
    assert sorted(remote) == sorted(pin["id"] for pin in service.sandbox.titled(title))
    assert len(set(remote)) == 2
    assert sorted(twin["targets"][0]["attempts"] for twin in twins) == (
        [1, 1] if when == "after" else [1, 2]
    )


def test_forty_pins_through_a_bad_day(tmp_path: Path) -> None:
    chance = random.Random(20_261_124)
    good = 12
    actions = [None] * good + [chance.choice(CASES) for _ in range(40 - good)]
    chance.shuffle(actions)
    with Service(tmp_path, "--sandbox", env=QUIET) as service:
        service.connect()
        cases = [case._replace(title=f"Pin {n}") for n, case in enumerate(actions) if case]
        service.sandbox.faults(*faults(cases))
        rows = [service.pin(f"Pin {n}", n % 10) for n in range(40)]
        results = service.api.post("/v1/uploads/batch", {"uploads": rows}).ok()["results"]
        done = service.api.wait([result["upload"] for result in results], seconds=60)

        assert service.sandbox.struck() == [1] * len(cases)
        assert service.sandbox.titles() == {f"Pin {n}": 1 for n in range(40)}
        sent = {case.title: 1 if case.exists else 2 for case in cases}
        for upload in done:
            check(service.sandbox, upload, sent.get(upload["content"]["title"], 1))
        assert service.sandbox.count("POST /v5/pins") == sum(
            upload["targets"][0]["attempts"] for upload in done
        )


@pytest.fixture
def two(tmp_path: Path) -> Iterator[tuple[Service, dict[str, Any]]]:
    """A service with two accounts, and the fields that send a pin to the second one."""
    with Service(tmp_path, "--sandbox", env=QUIET) as service:
        service.connect()
        session = service.api.post("/v1/accounts/connect", {"platform": "pinterest"}).ok(201)
        consent.allow(session["authorize_url"] + "&user=sandbox_friends")
        [friend] = [
            account["id"]
            for account in service.api.get("/v1/accounts")["items"]
            if account["name"] == "sandbox_friends"
        ]
        [board] = service.api.boards(friend)
        yield service, {"accounts": [friend], "board_id": board["id"]}


def test_a_spam_block_stops_the_account_and_no_other(two: tuple[Service, dict[str, Any]]) -> None:
    service, friend = two
    body = {"code": 9, "message": "Sorry! We blocked this to combat spam."}
    service.sandbox.faults(fault(*PINS, body_contains='"Spam"', status=400, body=body))
    blocked = service.api.create(**service.pin("Spam"))
    service.api.wait([blocked], lambda _: "target.reconciling" in kinds(service, blocked))

    mine = [service.api.create(**service.pin(f"Mine {n}", n)) for n in (1, 2)]
    theirs = [service.api.create(**service.pin(f"Theirs {n}", **friend)) for n in (1, 2, 3)]
    assert {u["status"] for u in service.api.wait(theirs)} == {"published"}
    # The blocked one is proven absent meanwhile; it is due, and waits like the others.
    [waiting] = service.api.wait([blocked], lambda _: "target.absent" in kinds(service, blocked))
    [target] = waiting["targets"]
    assert target["status"] == "queued"
    assert (target["error"]["platform"]["code"], target["error"]["outcome"]) == ("9", "none")
    last = service.api.create(**service.pin("Theirs 4", **friend))
    assert service.api.wait([last])[0]["status"] == "published"

    for upload in mine:
        now = service.api.get(f"/v1/uploads/{upload['id']}")
        assert now["status"] == "queued"
        assert now["targets"][0]["attempts"] == 0
        assert now["targets"][0]["error"]["code"] == "PLATFORM_SPAM_BLOCK"
        assert now["targets"][0]["next_attempt_at"] > in_seconds(3 * 3_600)
        assert "target.armed" not in kinds(service, upload)
    assert kinds(service, blocked).count("target.armed") == 1
    assert service.sandbox.count("POST /v5/pins") == 5
    assert set(service.sandbox.titles()) == {f"Theirs {n}" for n in (1, 2, 3, 4)}


def test_a_limit_stops_the_account_until_it_renews(two: tuple[Service, dict[str, Any]]) -> None:
    service, friend = two
    limit = {
        "status": 429,
        "headers": {"x-ratelimit-reset": "2"},
        "body": {"code": 8, "message": "You have exceeded your rate limit. Try again later."},
    }
    service.sandbox.faults(fault(*PINS, body_contains='"Limited"', **limit))
    limited = service.api.create(**service.pin("Limited"))
    [waiting] = service.api.wait([limited], waits_for("PLATFORM_RATE_LIMITED"))
    until = moment(waiting["targets"][0]["next_attempt_at"])

    mine = service.api.create(**service.pin("Mine", 1))
    theirs = service.api.create(**service.pin("Theirs", **friend))
    done = service.api.wait([limited, mine, theirs])
    assert {upload["status"] for upload in done} == {"published"}
    published = [moment(upload["targets"][0]["published_at"]) for upload in done]
    assert published[0] >= until
    # The hold is as long as the wait; both are counted from the same answer.
    assert (published[1] - until).total_seconds() > -0.1
    assert published[2] < until
    assert [upload["targets"][0]["attempts"] for upload in done] == [2, 1, 1]


def test_a_limit_does_not_cut_a_spam_block_short(two: tuple[Service, dict[str, Any]]) -> None:
    service, friend = two
    limit = {
        "status": 429,
        "delay_ms": 1_000,
        "headers": {"x-ratelimit-reset": "1"},
        "body": {"code": 8, "message": "You have exceeded your rate limit. Try again later."},
    }
    spam = {"code": 9, "message": "Sorry! We blocked this to combat spam."}
    service.sandbox.faults(
        fault(*PINS, body_contains='"Limited"', **limit),
        fault(*PINS, body_contains='"Spam"', status=400, body=spam),
    )
    # Both are under way at the same time, and the limit is heard of last.
    limited = service.api.create(**service.pin("Limited", 1))
    service.api.wait([limited], lambda _: "target.armed" in kinds(service, limited))
    blocked = service.api.create(**service.pin("Spam", 2))
    [waiting] = service.api.wait([limited], waits_for("PLATFORM_RATE_LIMITED"))
    # It knows of the longer rest, and would itself be due again a second later.
    assert waiting["targets"][0]["next_attempt_at"] > in_seconds(3 * 3_600)
    events = service.api.get(f"/v1/uploads/{limited['id']}/events")["items"]
    [renewed] = [moment(e["data"]["until"]) for e in events if e["kind"] == "target.waiting"]
    service.api.wait([blocked], lambda _: "target.absent" in kinds(service, blocked))

    # Both are due by now, and neither is sent: another account's pin is.
    theirs = service.api.create(**service.pin("Theirs", **friend))
    [done] = service.api.wait([theirs])
    assert moment(done["targets"][0]["published_at"]) > renewed
    assert service.sandbox.titles() == {"Theirs": 1}
    assert [kinds(service, u).count("target.armed") for u in (limited, blocked)] == [1, 1]
