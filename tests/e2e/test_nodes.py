"""Three services on one PostgreSQL share the work; the death of one loses and doubles nothing."""

from __future__ import annotations

import base64
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from cluster import database
from support import Api, Program, Sandbox, Service, fault, in_seconds, moment, run, until

PINS = ("POST", "/v5/pins")
TOKENS = "POST /v5/oauth/token"
NODES = 3

# All tests together stay below the 100 pins a minute that the account may make, over all nodes.

# Longer than the fake network takes for anything here.
QUIET = "3s"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with database() as url:
        yield url


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    folder = tmp_path_factory.mktemp("network")
    with Program(folder, "sandbox", "--listen", "127.0.0.1:0") as program:
        yield Sandbox(program.ready["url"])


@pytest.fixture(scope="module")
def settings(url: str, network: Sandbox) -> dict[str, str]:
    """What all nodes have in common."""
    return {
        "MULTI_UPLOAD_DATABASE_URL": url,
        "MULTI_UPLOAD_MASTER_KEY": base64.b64encode(os.urandom(32)).decode(),
        "MULTI_UPLOAD_PINTEREST_API_URL": f"{network.api.url}/v5",
        "MULTI_UPLOAD_PINTEREST_AUTHORIZE_URL": f"{network.api.url}/oauth/",
        "PINTEREST_APP_ID": "4711",
        "PINTEREST_APP_SECRET": "a secret",
        "MULTI_UPLOAD_QUIET_PERIOD": QUIET,
        # Says who did what.
        "MULTI_UPLOAD_LOG": "info",
        "MULTI_UPLOAD_LOG_FORMAT": "json",
    }


@pytest.fixture(scope="module")
def started(
    tmp_path_factory: pytest.TempPathFactory, settings: dict[str, str]
) -> Iterator[list[Service]]:
    """Each with a data folder of its own; the first one's key and account are known to all."""
    with ExitStack() as stack:
        nodes = [
            stack.enter_context(Service(tmp_path_factory.mktemp(f"node{n}"), env=settings))
            for n in range(NODES)
        ]
        first = nodes[0]
        first.connect()
        for other in nodes[1:]:
            assert other.ready["admin_key"] is None
            other.api.key = first.api.key
            other.account, other.boards = first.account, first.boards
        yield nodes


@pytest.fixture
def nodes(started: list[Service], network: Sandbox) -> list[Service]:
    """All of them, whatever an earlier test has ended; the network is without faults."""
    network.clear()
    for node in started:
        if node.process is None:
            node.start()
    return started


def schedule(
    nodes: list[Service], name: str, count: int, over: float, ahead: float = 1
) -> list[dict[str, Any]]:
    """So many uploads on ten boards, accepted by one node after the other, due evenly."""
    due = [in_seconds(ahead + over * n / count) for n in range(count)]
    uploads = []
    for n in range(count):
        node = nodes[n % len(nodes)]
        fields = node.pin(f"{name} {n}", board=n % 10, scheduled_at=due[n])
        uploads.append(node.api.create(**fields))
    return uploads


def check(network: Sandbox, name: str, done: list[dict[str, Any]]) -> None:
    """Each is published as the one pin of its title."""
    assert {upload["status"] for upload in done} == {"published"}, done
    made = {p["title"]: p["id"] for p in network.ledger()["pins"] if p["title"].startswith(name)}
    assert made == {u["content"]["title"]: u["targets"][0]["remote_id"] for u in done}
    assert {n for title, n in network.titles().items() if title.startswith(name)} == {1}


def published_by(nodes: list[Service], uploads: list[dict[str, Any]]) -> list[int]:
    """How many of the targets each node's log speaks of having published."""
    ids = [upload["targets"][0]["id"] for upload in uploads]
    counts = []
    for node in nodes:
        lines = [line for line in node.log.read_text().splitlines() if "Published" in line]
        counts.append(sum(any(id in line for line in lines) for id in ids))
    return counts


def test_an_account_of_one_is_an_account_of_all(nodes: list[Service]) -> None:
    for node in nodes:
        assert [a["id"] for a in node.api.get("/v1/accounts")["items"]] == [nodes[0].account["id"]]
        assert node.api.boards(node.account["id"]), "its tokens are readable here"


def test_a_key_of_one_is_a_key_of_all(nodes: list[Service], settings: dict[str, str]) -> None:
    made = nodes[1].api.post("/v1/api-keys", {"scopes": ["uploads:read"]}).ok(201)
    [beside] = nodes[0].command(
        "keys", "create", "--database-url", settings["MULTI_UPLOAD_DATABASE_URL"]
    )
    for key in (made["key"], beside["key"]):
        for node in nodes:
            Api(node.api.url, key).get("/v1/uploads")
    nodes[2].api.call("DELETE", f"/v1/api-keys/{made['id']}").ok(204)
    for node in nodes:
        assert Api(node.api.url, made["key"]).call("GET", "/v1/uploads").status == 401


def test_they_share_the_work(nodes: list[Service], network: Sandbox) -> None:
    # Slow enough that they are at it at the same time.
    network.faults(fault(*PINS, count=0, delay_ms=150))
    uploads = schedule(nodes, "Shared", 36, over=2)
    done = nodes[1].api.wait(uploads)
    check(network, "Shared", done)
    assert {upload["targets"][0]["attempts"] for upload in done} == {1}
    shares = published_by(nodes, uploads)
    assert sum(shares) == 36
    assert sum(share > 0 for share in shares) > 1, shares


def test_tokens_are_renewed_by_one(nodes: list[Service], network: Sandbox) -> None:
    before = network.count(TOKENS)
    # The token itself is refused, so nothing goes on without a renewal. Several nodes hear of it at
    # the same time, and it takes long enough for all to want it. A refresh token that was used is
    # dead a second later.
    network.faults(
        fault(*PINS, expire_token=True),
        fault(*PINS, count=3, delay_ms=800),
        fault("POST", "/v5/oauth/token", count=0, delay_ms=1_100),
    )
    uploads = schedule(nodes, "Renewed", 9, over=0, ahead=3)
    done = nodes[0].api.wait(uploads)
    check(network, "Renewed", done)
    assert network.count(TOKENS) - before == 1
    assert [a["status"] for a in nodes[2].api.get("/v1/accounts")["items"]] == ["active"]


def test_one_is_killed_in_the_middle(nodes: list[Service], network: Sandbox) -> None:
    orphan = "Killed, its orphan"
    network.faults(
        fault(*PINS, body_contains=f'"{orphan}"', delay_ms=2_000),
        fault(*PINS, count=0, delay_ms=800),
    )
    uploads = schedule(nodes, "Killed", 36, over=3)
    until(
        lambda: network.in_flight() > 2 and published_by(nodes, uploads)[0] > 0,
        "several pins are under way, and the first node has made some",
    )
    victim, *others = nodes
    # One that surely is the victim's: nobody else is awake.
    for other in others:
        other.signal(signal.SIGSTOP)
    try:
        uploads.append(victim.api.create(**victim.pin(orphan, board=11)))
        until(lambda: network.struck()[0], "the victim has sent it")
        victim.kill()
        killed = moment(in_seconds(0))
    finally:
        for other in others:
            other.signal(signal.SIGCONT)
    assert len([title for title in network.titles() if title.startswith("Killed")]) < 36
    # A lease ends within 30 s; then the network is looked at, and what is proven absent sent again.
    api = others[0].api
    done = api.wait(uploads, seconds=60)
    check(network, "Killed", done)
    events = api.get(f"/v1/uploads/{uploads[-1]['id']}/events")["items"]
    [doubted] = [moment(e["at"]) for e in events if e["kind"] == "target.reconciling"]
    assert 0 < (doubted - killed).total_seconds() <= 32


def test_a_node_stops_cleanly_while_others_go_on(nodes: list[Service], network: Sandbox) -> None:
    network.faults(fault(*PINS, count=0, delay_ms=300))
    uploads = schedule(nodes, "Stopped", 12, over=1)
    until(lambda: network.in_flight() > 1, "publishing is under way")
    *others, last = nodes
    last.signal(signal.SIGTERM)
    assert last.ended() == 0
    # Nothing has to wait for a lease: it has given back what it held.
    done = others[0].api.wait(uploads, seconds=20)
    check(network, "Stopped", done)
    assert {upload["targets"][0]["attempts"] for upload in done} == {1}


def test_the_root_key_has_to_be_given(tmp_path: Path, url: str) -> None:
    """Each node would make one of its own, and none could read the others' tokens."""
    data = ("--data", str(tmp_path / "data"))
    done = run("--json", "serve", "--listen", "127.0.0.1:0", *data, "--database-url", url)
    assert done.returncode != 0
    assert "CONFIG_INVALID" in done.stderr
    assert "MULTI_UPLOAD_MASTER_KEY" in done.stderr
