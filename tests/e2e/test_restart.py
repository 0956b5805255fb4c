"""The process ends in the middle of its work: killed, told to stop, or told twice.

The fake network runs in a process of its own, so it knows what really arrived.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import closing, suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from support import PATIENCE, Api, Program, Sandbox, Service, fault, in_seconds, moment, until

PINS = ("POST", "/v5/pins")

# Longer than the fake network takes for anything here.
QUIET = "4s"


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Sandbox]:
    with Program(tmp_path, "sandbox", "--listen", "127.0.0.1:0") as program:
        yield Sandbox(program.ready["url"])


@pytest.fixture
def service(tmp_path: Path, network: Sandbox) -> Iterator[Service]:
    """A service that takes the fake network for the real one."""
    settings = {
        "MULTI_UPLOAD_PINTEREST_API_URL": f"{network.api.url}/v5",
        "MULTI_UPLOAD_PINTEREST_AUTHORIZE_URL": f"{network.api.url}/oauth/",
        "PINTEREST_APP_ID": "4711",
        "PINTEREST_APP_SECRET": "a secret",
        "MULTI_UPLOAD_QUIET_PERIOD": QUIET,
    }
    with Service(tmp_path, env=settings) as service:
        assert service.api.key
        assert service.api.key.startswith("mu_live_")
        service.connect()
        assert service.account["mode"] == "live"
        yield service


def schedule(service: Service, count: int, over: float) -> list[dict[str, Any]]:
    """So many uploads, due evenly over so many seconds, on ten boards."""
    rows = [
        service.pin(f"Pin {n}", board=n % 10, scheduled_at=in_seconds(0.3 + over * n / count))
        for n in range(count)
    ]
    results = service.api.post("/v1/uploads/batch", {"uploads": rows}).ok()["results"]
    return [result["upload"] for result in results]


def check(network: Sandbox, uploads: list[dict[str, Any]]) -> None:
    """Every upload is published as the one pin of its title, and nobody was asked."""
    assert {upload["status"] for upload in uploads} == {"published"}
    made = {pin["title"]: pin["id"] for pin in network.ledger()["pins"]}
    remote = {u["content"]["title"]: u["targets"][0]["remote_id"] for u in uploads}
    assert remote == made
    assert set(network.titles().values()) == {1}
    # No request without an intent; an intent may have been stored just ahead of the end.
    attempts = sum(upload["targets"][0]["attempts"] for upload in uploads)
    assert len(uploads) <= network.count("POST /v5/pins") <= attempts


def kinds(service: Service, upload: dict[str, Any]) -> list[str]:
    return [e["kind"] for e in service.api.get(f"/v1/uploads/{upload['id']}/events")["items"]]


def test_killed_in_the_middle_of_thirty_pins(service: Service, network: Sandbox) -> None:
    # Slow enough that several are always under way.
    network.faults(fault(*PINS, count=0, delay_ms=400))
    uploads = schedule(service, 30, over=3)
    assert len(uploads) == 30

    def in_the_middle() -> bool:
        return len(network.ledger()["pins"]) >= 8 and network.in_flight() > 1

    until(in_the_middle, "some pins are made and others are under way")
    service.kill()
    assert len(network.ledger()["pins"]) < 30
    service.start()

    done = service.api.wait(uploads)
    check(network, done)
    doubtful = [upload for upload in done if "target.reconciling" in kinds(service, upload)]
    # Only what was under way at that moment: at most one for each board.
    assert 1 <= len(doubtful) <= 10


def test_killed_while_one_is_under_way(service: Service, network: Sandbox) -> None:
    network.faults(fault(*PINS, delay_ms=2_000))
    [upload] = schedule(service, 1, over=0)
    until(network.in_flight, "the pin is under way")
    service.kill()
    service.start()
    # The network finishes what it received, seconds later: sent again, it would be there twice.
    assert network.titles() == {}
    done = service.api.wait([upload])
    check(network, done)
    assert done[0]["targets"][0]["attempts"] == 1
    assert network.count("POST /v5/pins") == 1
    timeline = kinds(service, upload)
    assert timeline[-1] == "target.published"
    assert "target.absent" not in timeline


def test_told_to_stop_it_finishes_what_is_under_way(service: Service, network: Sandbox) -> None:
    network.faults(fault(*PINS, count=0, delay_ms=300))
    uploads = schedule(service, 20, over=2)
    until(lambda: network.ledger()["pins"] and network.in_flight() > 0, "publishing is under way")
    service.signal(signal.SIGTERM)
    assert service.ended() == 0
    made = len(network.ledger()["pins"])
    assert 0 < made < 20
    assert network.in_flight() == 0

    network.clear()
    service.start()
    done = service.api.wait(uploads)
    check(network, done)


def test_a_caller_that_waits_does_not_hold_it_up(service: Service) -> None:
    cursor = service.api.get("/v1/changes")["cursor"]
    connection = HTTPConnection(urlsplit(service.api.url).netloc, timeout=PATIENCE)
    with closing(connection):
        headers = {"authorization": f"Bearer {service.api.key}"}
        connection.request("GET", f"/v1/changes?since={cursor}&wait=60", headers=headers)
        # Another one is answered meanwhile.
        service.api.get("/healthz")
        service.signal(signal.SIGTERM)
        assert service.ended(15) == 0
        # The poll ends empty; one that had not begun yet may be refused or hear nothing.
        with suppress(ConnectionError):
            assert connection.getresponse().status in {200, 503}


def test_a_second_signal_ends_it_at_once(service: Service, network: Sandbox) -> None:
    network.faults(fault(*PINS, hang={"max_ms": 25_000}))
    [upload] = schedule(service, 1, over=0)
    until(lambda: network.struck() == [1], "the pin is under way")
    service.signal(signal.SIGTERM)
    stranger = Api(service.api.url)
    # While it waits for the answer it says so to whoever asks.
    until(lambda: stranger.call("GET", "/healthz").status == 503, "it is stopping", 10)
    refused = service.api.call("POST", "/v1/upload", service.pin("Too late"))
    assert (refused.status, refused.json["code"]) == (503, "SHUTTING_DOWN")
    assert int(refused.headers["retry-after"]) > 0

    service.signal(signal.SIGTERM)
    assert service.ended(5) == 1
    service.start()
    done = service.api.wait([upload])
    # The first attempt is proven to have had no effect before there is a second one.
    check(network, done)
    assert done[0]["targets"][0]["attempts"] == 2
    assert kinds(service, upload)[-3:] == ["target.absent", "target.armed", "target.published"]
    assert service.api.get("/v1/uploads", q="Too late")["items"] == []


def test_what_was_due_meanwhile_is_sent_at_the_next_start(
    service: Service, network: Sandbox
) -> None:
    [upload] = schedule(service, 1, over=0)
    late = service.api.create(
        **service.pin("Stale", scheduled_at=in_seconds(0.3), late={"send_within": "1s"})
    )
    service.kill()
    due = moment(late["scheduled_at"])
    until(lambda: moment(in_seconds(-1.1)) > due, "its time passes")
    service.start()
    done = service.api.wait([upload, late])
    assert [each["status"] for each in done] == ["published", "missed"]
    assert network.titles() == {"Pin 0": 1}


def test_a_promise_survives_a_kill_at_once(service: Service, network: Sandbox) -> None:
    """202 means that it is on disk."""
    fields = service.pin("Promised", scheduled_at=in_seconds(3600))
    answer = service.api.call("POST", "/v1/upload", fields, {"idempotency-key": "promise"})
    upload = answer.ok(202)
    service.kill()
    service.start()
    assert service.api.get(f"/v1/uploads/{upload['id']}") == upload
    again = service.api.call("POST", "/v1/upload", fields, {"idempotency-key": "promise"})
    assert again.ok(202)["id"] == upload["id"]
    assert again.headers["idempotency-replayed"] == "true"
    account = service.api.get("/v1/accounts")["items"]
    assert [each["status"] for each in account] == ["active"]
    assert network.titles() == {}
