"""Plays the shared cases of `tests/spec` with both clients. See `tests/spec/README.md`."""

from __future__ import annotations

import asyncio
import base64
import inspect
import json
import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest
from conftest import kit

from multi_upload import AsyncClient, Client, MultiUploadError, Record

# Shows the page of `start_connection` and waits for the consent.
COMPOSED = {"accounts.connect"}
# Operations whose result is a list in Python and an object in the cases.
LISTS = {
    "uploads.create_many": "results",
    "uploads.wait_many": "uploads",
    "uploads.events": "items",
}
OPTIONS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "timeout_ms": ("timeout", lambda ms: ms / 1000),
    "attempt_timeout_ms": ("attempt_timeout", lambda ms: ms / 1000),
    "base_delay_ms": ("retry_base_delay", lambda ms: ms / 1000),
    "cap_ms": ("retry_max_delay", lambda ms: ms / 1000),
    "jitter": ("retry_jitter", lambda word: word != "none"),
    "max_attempts": ("max_attempts", int),
    "idempotency_key": ("idempotency_key", str),
}


def options(given: dict[str, Any]) -> dict[str, Any]:
    flat = {**given, **given.get("retry", {})}
    flat.pop("retry", None)
    return {OPTIONS[name][0]: OPTIONS[name][1](value) for name, value in flat.items()}


def arguments(op: str, args: dict[str, Any]) -> dict[str, Any]:
    if op == "media.upload":
        return {"source": base64.b64decode(args["bytes_base64"])}
    return {{"from": "from_"}.get(name, name): value for name, value in args.items()}


def plain(value: Any) -> Any:
    """Public attributes as JSON."""
    if isinstance(value, MultiUploadError):
        fields = {name: plain(getattr(value, name)) for name in MultiUploadError.__annotations__}
        return {**fields, "class": type(value).__name__}
    if isinstance(value, Record):
        return {name: plain(getattr(value, name)) for name in value.to_dict()}
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value


class Play:
    """One case, once."""

    def __init__(self, case_id: str, flip: bool) -> None:
        self.session = kit().post("/_spec/sessions", {"case": case_id, "flip": flip})
        self.case = self.session["case"]
        self.when = self.case["when"]
        self.outcome: dict[str, Any] = {"result": None, "error": None}
        self.attempts: list[dict[str, Any]] = []
        self.progress: list[dict[str, int]] = []

    @property
    def path(self) -> str:
        return f"/_spec/sessions/{self.session['session']}"

    def client(self, kind: type[Any]) -> Any:
        chosen = options(self.case["given"].get("options", {}))
        url, key = self.session["base_url"], self.session["api_key"]
        return kind(url, key, on_attempt=self.saw_attempt, **chosen)

    def saw_attempt(self, number: int, delay_ms: int, cause: str | None) -> None:
        self.attempts.append({"number": number, "delay_ms": delay_ms, "cause": cause})

    def saw_progress(self, done: int, total: int) -> None:
        self.progress.append({"done": done, "total": total})

    def call(self, client: Any) -> Any:
        op = self.when["op"]
        namespace, method = op.split(".")
        function = getattr(getattr(client, namespace), method)
        kwargs = arguments(op, self.when.get("args", {})) | options(self.when.get("options", {}))
        if "progress" in inspect.signature(function).parameters:
            kwargs["progress"] = self.saw_progress
        return function(**kwargs)

    def arrived(self) -> None:
        kit().get(f"{self.path}/requests?count={self.when['cancel']['after_requests']}")

    def cancel(self, client: Client) -> None:
        self.arrived()
        client.close()

    def done(self, value: Any) -> None:
        op = self.when["op"]
        result = plain({LISTS[op]: value} if op in LISTS else value)
        self.outcome["result"] = {} if result is None else result

    def sync(self) -> None:
        with self.client(Client) as client:
            watcher = threading.Thread(target=self.cancel, args=(client,))
            if "cancel" in self.when:
                watcher.start()
            try:
                value = self.call(client)
                if hasattr(value, "__next__"):
                    items = self.outcome["result"] = {"items": []}
                    for item in value:
                        items["items"].append(plain(item))
                        if len(items["items"]) == self.when.get("take"):
                            break
                else:
                    self.done(value)
            except MultiUploadError as error:
                self.outcome["error"] = plain(error)
            if "cancel" in self.when:
                watcher.join()

    async def asynchronous(self) -> None:
        async def watch(client: AsyncClient) -> None:
            await asyncio.to_thread(self.arrived)
            await client.close()

        async with self.client(AsyncClient) as client:
            watcher = asyncio.create_task(watch(client)) if "cancel" in self.when else None
            try:
                value = self.call(client)
                if hasattr(value, "__anext__"):
                    items = self.outcome["result"] = {"items": []}
                    async for item in value:
                        items["items"].append(plain(item))
                        if len(items["items"]) == self.when.get("take"):
                            break
                else:
                    self.done(await value)
            except MultiUploadError as error:
                self.outcome["error"] = plain(error)
            if watcher:
                await watcher

    def judge(self) -> Any:
        self.outcome |= {"attempts": self.attempts, "progress": self.progress}
        return kit().post(f"{self.path}/judge", self.outcome)


def play(case_id: str, how: str, flip: bool = False) -> Any:
    played = Play(case_id, flip)
    played.sync() if how == "sync" else asyncio.run(played.asynchronous())
    return played.judge()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "case_id" in metafunc.fixturenames:
        metafunc.parametrize("case_id", kit().get("/_spec/cases")["cases"])


@pytest.mark.parametrize("how", ["sync", "async"])
def test_case(case_id: str, how: str) -> None:
    verdict = play(case_id, how)
    assert verdict["pass"], json.dumps(verdict["failures"], indent=2)


@pytest.mark.parametrize("how", ["sync", "async"])
def test_a_wrong_expectation_is_noticed(case_id: str, how: str) -> None:
    verdict = play(case_id, how, flip=True)
    assert verdict["flipped"] is None or not verdict["pass"], verdict["flipped"]


def public(client: Any) -> Iterator[tuple[str, Callable[..., Any]]]:
    for name, namespace in vars(client).items():
        for method in dir(namespace):
            if not name.startswith("_") and not method.startswith("_"):
                yield f"{name}.{method}", getattr(namespace, method)


# What `create` alone takes.
ONLY_CREATE = {"dry_run", "image", "images", "video", "cover"}


@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_the_surface_is_that_of_every_language(kind: type[Any]) -> None:
    methods = dict(public(kind("http://127.0.0.1:1", "mu_test_key")))
    listed = {entry["op"]: entry for entry in kit().get("/_spec/surface")["operations"]}
    for op, entry in listed.items():
        taken = inspect.signature(methods[op]).parameters
        names = {name.rstrip("_") for name in taken}
        wanted = {*entry["required"], *entry["optional"], *entry["options"]}
        if "fields" in names:  # **fields: Unpack[UploadFields]
            names |= set(inspect.signature(methods["uploads.create"]).parameters) - ONLY_CREATE
            names -= {"fields", "idempotency_key"}
            names -= {"accounts"} - wanted
        assert names == wanted, op
        optional = {name for name, taken in taken.items() if taken.default is not taken.empty}
        assert not optional & set(entry["required"]), op
    assert set(methods) == set(listed) | COMPOSED
