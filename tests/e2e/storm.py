"""A service that is killed and frozen at random while clients use it, and what they were told.

Everything that is random comes from one seed. Nothing here judges: `test_long_run.py` does.
"""

from __future__ import annotations

import random
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any
from urllib.parse import quote

from support import Answer, Api, Sandbox, Service, fault, in_seconds

PINS = ("POST", "/v5/pins")
BOARD_LISTS = ("GET", "/v5/boards/*/pins")

# How long a client waits for an answer before it tries another node.
PATIENCE = 3.0

# So many clients.
CLIENTS = 4

# A lease ends after 30 s: who is frozen longer wakes up when others have gone on without it.
LONGER_THAN_A_LEASE = 33.0


@dataclass
class Told:
    """What a client knows of an upload that it asked for."""

    title: str
    key: str
    id: str | None = None
    # The title after an edit that was accepted.
    edited: str | None = None
    # An edit without an answer may have been made, or not.
    perhaps: str | None = None
    canceled: bool = False


@dataclass
class Plan:
    """How rough it is. Times in seconds."""

    seed: int
    seconds: float
    # Between two uploads of a client.
    every: float
    kill_every: tuple[float, float]
    # How long nodes are frozen, one time after the other.
    freezes: list[float]
    # No kills in the last seconds.
    calm: float


@dataclass
class Figures:
    accepted: int = 0
    edited: int = 0
    canceled: int = 0
    posts: int = 0
    kills: int = 0
    stops: int = 0
    retries: int = 0
    again: int = 0
    duplicates: int = 0
    lost: int = 0
    stuck: int = 0
    reviews: int = 0
    contradictions: list[str] = field(default_factory=list)


class Storm:
    """Nodes that share an account, their network, and whoever uses and abuses them."""

    def __init__(self, nodes: list[Service], network: Sandbox, plan: Plan) -> None:
        self.nodes = nodes
        self.network = network
        self.plan = plan
        self.over = threading.Event()
        self.figures = Figures()
        self.told: list[Told] = []
        # Uploads seen published, with the id on the network.
        self.published: dict[str, str | None] = {}
        self.failures: list[str] = []
        self.apis = [self.api(node) for node in nodes]
        self.free = list(nodes)
        self.lock = threading.Lock()

    def api(self, node: Service) -> Api:
        api = Api(node.api.url, node.api.key)
        api.patience = PATIENCE
        return api

    def call(
        self, chance: random.Random, method: str, path: str, body: Any = None
    ) -> Answer | None:
        """An answer of any node; `None` where there is none, and it is not known what happened."""
        headers = body.pop("headers", {}) if isinstance(body, dict) else {}
        index = chance.randrange(len(self.nodes))
        api = self.apis[index]
        # It has another port after each start.
        api.url = self.nodes[index].api.url
        try:
            answer = api.call(method, path, body, headers)
        except (OSError, HTTPException):
            return None
        return answer if answer.status < 500 else None

    @contextmanager
    def running(self) -> Iterator[None]:
        """Everybody is at it until the block ends."""
        jobs: list[Callable[[random.Random], None]] = [self.weather, self.watch]
        jobs += [self.killer, self.freezer, *[self.client] * CLIENTS]
        threads = [
            threading.Thread(target=self.guarded, args=(job, self.plan.seed * 100 + number))
            for number, job in enumerate(jobs)
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.over.set()
            for thread in threads:
                thread.join()

    def guarded(self, job: Callable[[random.Random], None], seed: int) -> None:
        try:
            job(random.Random(seed))
        except BaseException:
            self.failures.append(traceback.format_exc())
            self.over.set()

    def pause(self, seconds: float) -> bool:
        """Whether it goes on afterwards."""
        return not self.over.wait(seconds)

    # --- the network

    def weather(self, chance: random.Random) -> None:
        """Another script of faults every few seconds, all of them within the quiet period."""
        while self.pause(chance.uniform(1, 4)):
            self.network.faults(*self.faults(chance))
        self.network.clear()

    def faults(self, chance: random.Random) -> list[dict[str, Any]]:
        when = ["before", "after"]
        kinds: list[dict[str, Any]] = [
            {"when": chance.choice(when), "status": 500},
            {"when": chance.choice(when), "gateway_page": 504},
            {"when": chance.choice(when), "cut": {}},
            {"when": chance.choice(when), "cut": {"at_byte": chance.randrange(400)}},
            {"when": chance.choice(when), "hang": {"max_ms": 300}},
            {"when": "late", "apply_after_ms": chance.randrange(1_000), "cut": {}},
            {"when": "after", "id": "missing"},
            {"redirect": "/v5/pins"},
            {"delay_ms": chance.randrange(1_500)},
            {"drip": {"bytes": 40, "every_ms": 5}},
        ]
        made = []
        for _ in range(chance.randrange(4)):
            kind = chance.choice(kinds)
            made.append(fault(*PINS, nth=chance.randint(1, 3), **kind))
        if chance.random() < 0.2:
            made.append(fault(*BOARD_LISTS, nth=chance.randint(1, 6), count=2, status=500))
        return made

    # --- who breaks the nodes

    def killer(self, chance: random.Random) -> None:
        end = time.monotonic() + self.plan.seconds - self.plan.calm
        while self.pause(chance.uniform(*self.plan.kill_every)):
            if time.monotonic() > end:
                return
            node = self.take(chance)
            if node is None:
                continue
            try:
                node.kill()
                self.figures.kills += 1
                self.pause(chance.uniform(0, 1.5))
                node.start()
            finally:
                self.give_back(node)

    def freezer(self, chance: random.Random) -> None:
        for seconds in self.plan.freezes:
            node = self.take(chance)
            while node is None:
                if not self.pause(0.1):
                    return
                node = self.take(chance)
            try:
                node.signal(signal.SIGSTOP)
                self.figures.stops += 1
                self.pause(seconds)
                node.signal(signal.SIGCONT)
            finally:
                self.give_back(node)
            if not self.pause(chance.uniform(1, 5)):
                return

    def take(self, chance: random.Random) -> Service | None:
        """A node that nobody else has in hands."""
        with self.lock:
            if not self.free:
                return None
            return self.free.pop(chance.randrange(len(self.free)))

    def give_back(self, node: Service) -> None:
        with self.lock:
            self.free.append(node)

    # --- who uses them

    def client(self, chance: random.Random) -> None:
        """One upload after the other; some are edited or canceled before they are due."""
        end = time.monotonic() + self.plan.seconds
        while time.monotonic() < end and self.pause(self.plan.every * chance.uniform(0.5, 1.5)):
            told = Told(title := f"Pin {chance.randrange(1 << 60)}", title.replace(" ", "-"))
            self.told.append(told)
            changes = chance.random()
            # Far enough ahead to be changed, or due at once.
            self.create(chance, told, ahead=4 if changes < 0.15 else 0)
            if told.id is None:
                continue
            if changes < 0.07:
                self.cancel(chance, told)
            elif changes < 0.15:
                self.edit(chance, told)

    def create(self, chance: random.Random, told: Told, ahead: float) -> None:
        fields = self.nodes[0].pin(told.title, board=chance.randrange(20))
        if ahead:
            fields["scheduled_at"] = in_seconds(ahead)
        headers = {"idempotency-key": told.key}
        # Until there is an answer: the key makes that one upload.
        while not self.over.is_set():
            answer = self.call(chance, "POST", "/v1/uploads", {**fields, "headers": headers})
            if answer is not None:
                told.id = answer.ok(202)["id"]
                self.figures.accepted += 1
                return
            self.figures.retries += 1
            self.pause(0.1)

    def cancel(self, chance: random.Random, told: Told) -> None:
        answer = self.call(chance, "POST", f"/v1/uploads/{told.id}/cancel")
        if answer is not None and answer.status == 200:
            told.canceled = answer.json["status"] == "canceled"
            self.figures.canceled += told.canceled

    def edit(self, chance: random.Random, told: Told) -> None:
        title = f"{told.title}, edited"
        told.perhaps = title
        answer = self.call(chance, "PATCH", f"/v1/uploads/{told.id}", {"title": title})
        if answer is not None:
            told.perhaps = None
            if answer.status == 200:
                told.edited = title
                self.figures.edited += 1

    # --- who watches

    def watch(self, chance: random.Random) -> None:
        """Follows the change feed over all nodes: what was published stays so, as the same pin."""
        cursor = None
        while self.pause(0.3):
            query = "" if cursor is None else f"?since={quote(cursor)}"
            answer = self.call(chance, "GET", f"/v1/changes{query}")
            if answer is None:
                continue
            news = answer.ok()
            cursor = news["cursor"]
            for upload in news.get("uploads", []):
                self.see(upload)

    def see(self, upload: dict[str, Any]) -> None:
        [target] = upload["targets"]
        before = self.published.get(upload["id"])
        if target["status"] == "published":
            if before not in {None, target["remote_id"]}:
                self.contradict(f"{upload['id']} was {before} and is {target['remote_id']}")
            self.published[upload["id"]] = target["remote_id"]
        elif before is not None:
            self.contradict(f"{upload['id']} was published and is {target['status']}")

    def contradict(self, what: str) -> None:
        self.figures.contradictions.append(what)
