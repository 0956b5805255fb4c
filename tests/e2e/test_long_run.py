"""Real processes on a bad day: kills, freezes longer than a lease, faults of the network.

About a minute here; `make long-run` takes an hour. At the end the ledger of the network is
compared with what clients were told.
"""

from __future__ import annotations

import base64
import os
import random
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from cluster import database
from storm import LONGER_THAN_A_LEASE, Figures, Plan, Storm, Told
from support import Program, Sandbox, Service, is_settled, until

SECONDS = float(os.environ.get("MULTI_UPLOAD_LONG_RUN", "36"))
SEED = int(os.environ.get("MULTI_UPLOAD_SEED", "1"))

# Longer than anything that the network does late here.
QUIET = "3s"

# A lease, the quiet period and the looks behind it, with room for a busy machine.
SETTLES_WITHIN = 120.0


def settings(network: Sandbox) -> dict[str, str]:
    return {
        "MULTI_UPLOAD_MASTER_KEY": base64.b64encode(os.urandom(32)).decode(),
        "MULTI_UPLOAD_PINTEREST_API_URL": f"{network.api.url}/v5",
        "MULTI_UPLOAD_PINTEREST_AUTHORIZE_URL": f"{network.api.url}/oauth/",
        "PINTEREST_APP_ID": "4711",
        "PINTEREST_APP_SECRET": "a secret",
        "MULTI_UPLOAD_QUIET_PERIOD": QUIET,
    }


@contextmanager
def storm(folder: Path, plan: Plan, nodes: int, url: str | None) -> Iterator[Storm]:
    """So many nodes on a PostgreSQL, or one on a file of its own, and a network."""
    with ExitStack() as stack:
        folder.mkdir()
        program = Program(folder, "sandbox", "--listen", "127.0.0.1:0")
        network = Sandbox(stack.enter_context(program).ready["url"])
        env = settings(network)
        if url is not None:
            env["MULTI_UPLOAD_DATABASE_URL"] = url
        started = []
        for number in range(nodes):
            place = folder / f"node{number}"
            place.mkdir()
            started.append(stack.enter_context(Service(place, env=env)))
        first = started[0]
        first.connect()
        for other in started[1:]:
            other.api.key = first.api.key
        yield Storm(started, network, plan)


def plans() -> tuple[Plan, Plan]:
    """For three nodes, one of them frozen until others have taken over, and for one node."""
    chance = random.Random(SEED)
    long = SECONDS > 120
    many = Plan(
        seed=SEED,
        seconds=SECONDS,
        every=2.5,
        kill_every=(5, 20) if long else (2, 5),
        freezes=[LONGER_THAN_A_LEASE],
        calm=0 if long else 14,
    )
    one = Plan(SEED + 1, SECONDS, 2.5, (5, 30) if long else (3, 7), [6.0], 0 if long else 5)
    if long:
        some = int(SECONDS // 10)
        many.freezes = [chance.choice([1, 5, LONGER_THAN_A_LEASE, 40]) for _ in range(some)]
        one.freezes = [chance.choice([1, 3, 6, LONGER_THAN_A_LEASE]) for _ in range(some)]
    return many, one


def test_a_bad_day(tmp_path: Path) -> None:
    many, one = plans()
    with (
        database() as url,
        storm(tmp_path / "postgres", many, 3, url) as three,
        storm(tmp_path / "sqlite", one, 1, None) as single,
    ):
        with three.running(), single.running():
            three.over.wait(SECONDS)
            # A long wait, for a request that is under way.
            single.over.wait(1)
        for name, world in [("3 nodes on PostgreSQL", three), ("1 node on SQLite", single)]:
            assert not world.failures, "\n".join(world.failures)
            judge(world)
            print(f"\nlong run, {name}, {SECONDS:g} s, seed {world.plan.seed}: {world.figures}")
            check(world.figures)


def check(figures: Figures) -> None:
    assert figures.posts > 0
    assert figures.kills > 0
    assert figures.stops > 0
    assert not figures.contradictions, figures.contradictions
    assert (figures.duplicates, figures.lost, figures.stuck) == (0, 0, 0)
    # A baseline that cannot be read and an answer that is lost meet now and then.
    assert figures.reviews <= max(1, figures.accepted // 100)


def listed(storm: Storm) -> dict[str, dict[str, Any]]:
    """Every upload of the service, by id."""
    uploads: dict[str, dict[str, Any]] = {}
    cursor = None
    while True:
        more = {} if cursor is None else {"cursor": cursor}
        page = storm.nodes[0].api.get("/v1/uploads", limit=1000, **more)
        uploads |= {upload["id"]: upload for upload in page["items"]}
        cursor = page.get("next_cursor")
        if cursor is None:
            return uploads


def judge(storm: Storm) -> None:
    """Waits for the end of every upload, and compares the ledger with what was told."""
    figures = storm.figures
    end = time.monotonic() + SETTLES_WITHIN

    def settled() -> bool:
        return all(map(is_settled, listed(storm).values())) or time.monotonic() > end

    until(settled, "every upload ends", SETTLES_WITHIN + 60)
    uploads = listed(storm)
    pins: dict[str, list[str]] = {}
    for pin in storm.network.ledger()["pins"]:
        pins.setdefault(pin["title"], []).append(pin["id"])
    figures.posts = sum(map(len, pins.values()))
    figures.stuck = sum(not is_settled(upload) for upload in uploads.values())
    figures.duplicates = sum(len(ids) - 1 for ids in pins.values())

    for upload in uploads.values():
        storm.see(upload)
        [target] = upload["targets"]
        made = pins.get(upload["content"]["title"], [])
        figures.again += target["attempts"] > 1
        figures.reviews += target["status"] == "needs_review"
        if target["status"] == "published" and target["remote_id"] not in made:
            storm.contradict(f"published, and not there: {upload}")
        if target["status"] in {"failed", "canceled", "missed"} and made:
            storm.contradict(f"{target['status']}, and there: {upload}")
    for told in storm.told:
        account_for(storm, told, uploads, pins)
    known = {upload["content"]["title"] for upload in uploads.values()}
    if strange := set(pins) - known:
        storm.contradict(f"nobody asked for {strange}")


def account_for(
    storm: Storm,
    told: Told,
    uploads: dict[str, dict[str, Any]],
    pins: dict[str, list[str]],
) -> None:
    """What a client was told is true."""
    if told.id is None:
        # Never answered, so it may be there or not; if it is, it is one of those judged above.
        return
    upload = uploads.get(told.id)
    if upload is None:
        storm.figures.lost += 1
        return
    [target] = upload["targets"]
    title = upload["content"]["title"]
    if title not in {told.edited or told.title, told.perhaps}:
        storm.contradict(f"{told} is {title!r}")
    if told.canceled and target["status"] != "canceled":
        storm.contradict(f"{told} was canceled and is {target['status']}")
    if target["status"] == "published" and not pins.get(title):
        storm.figures.lost += 1
    if target["status"] in {"failed", "missed"}:
        storm.contradict(f"{told} was not to fail: {target}")
