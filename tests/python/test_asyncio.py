"""The asynchronous client and the plain one beside an event loop."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from servers import Echo, Silent

from multi_upload import AsyncClient, CancelledError, Client, ConfigError

KEY = "mu_test_key"


class Stop(Exception):
    """Raised by a caller's own callback."""


def test_many_calls_run_at_once() -> None:
    everyone_is_here = threading.Barrier(20)

    async def main(url: str) -> list[str | None]:
        async with AsyncClient(url, KEY) as client:
            calls = [
                client.uploads.create(accounts=["pinterest:549"], title=str(number))
                for number in range(20)
            ]
            return [upload.content.title for upload in await asyncio.gather(*calls)]

    with Echo(lambda body: everyone_is_here.wait(30)) as server:
        assert asyncio.run(main(server.url)) == [str(number) for number in range(20)]


def test_threads_share_a_client_and_wait_at_once() -> None:
    everyone_is_here = threading.Barrier(8)

    def title(client: Client, number: int) -> str | None:
        upload = client.uploads.create(accounts=["pinterest:549"], title=str(number))
        return upload.content.title

    server, threads = Echo(lambda body: everyone_is_here.wait(30)), ThreadPoolExecutor(8)
    with server, Client(server.url, KEY) as client, threads:
        titles = list(threads.map(lambda number: title(client, number), range(8)))
    assert titles == [str(number) for number in range(8)]


def test_cancelling_a_task_ends_the_request() -> None:
    async def main(server: Silent) -> bool:
        async with AsyncClient(server.url, KEY) as client:
            call = asyncio.create_task(client.uploads.get("up_1"))
            connection = await asyncio.to_thread(server.request)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            return await asyncio.to_thread(server.ended, connection)

    with Silent() as server:
        assert asyncio.run(main(server))


def test_leaving_the_client_cancels_what_runs() -> None:
    async def main(server: Silent) -> str:
        async with AsyncClient(server.url, KEY) as client:
            call = asyncio.create_task(client.uploads.get("up_1"))
            await asyncio.to_thread(server.request)
        with pytest.raises(CancelledError) as raised:
            await call
        with pytest.raises(ConfigError, match="closed"):
            await client.uploads.get("up_1")
        return raised.value.code

    with Silent() as server:
        assert asyncio.run(main(server)) == "CANCELLED"


def test_one_client_serves_one_loop_after_the_other() -> None:
    async def title(client: AsyncClient) -> str | None:
        return (await client.uploads.get("up_1")).content.title

    with Echo() as server:
        client = AsyncClient(server.url, KEY)
        assert asyncio.run(title(client)) == asyncio.run(title(client)) == "/v1/uploads/up_1"
        asyncio.run(client.close())


def test_the_plain_client_works_inside_a_running_loop() -> None:
    async def main(url: str) -> str | None:
        with Client(url, KEY) as client:
            return client.uploads.get("up_1").content.title

    with Echo() as server:
        assert asyncio.run(main(server.url)) == "/v1/uploads/up_1"


def test_without_a_loop_the_error_says_what_to_do() -> None:
    call = AsyncClient("http://127.0.0.1:1", KEY).uploads.get("up_1")
    with pytest.raises(ConfigError, match=r"asyncio\.run"):
        call.send(None)


def test_progress_is_reported_in_the_loop_and_in_the_callers_context() -> None:
    who = contextvars.ContextVar[str]("who")
    seen: list[tuple[int, int, str, bool]] = []

    async def main(url: str) -> None:
        who.set("the caller")
        loop_thread = threading.current_thread()

        def progress(done: int, total: int) -> None:
            seen.append((done, total, who.get(), threading.current_thread() is loop_thread))

        async with AsyncClient(url, KEY) as client:
            await client.uploads.create_many(rows(250), progress=progress)

    with Echo() as server:
        asyncio.run(main(server.url))
    assert [entry[:2] for entry in seen] == sorted(entry[:2] for entry in seen)
    assert seen[-1] == (250, 250, "the caller", True)
    assert all(entry[2:] == ("the caller", True) for entry in seen)


def rows(count: int) -> list[dict[str, Any]]:
    return [{"accounts": ["pinterest:549"], "title": str(number)} for number in range(count)]


class Gate:
    """Holds all but the first request of a batch until the callback was called."""

    def __init__(self) -> None:
        self.requests = 0
        self.called = threading.Event()

    def before_answer(self, body: Any) -> None:
        self.requests += 1
        if self.requests > 1:
            self.called.wait(30)

    def progress(self, done: int, total: int) -> None:
        self.called.set()
        raise Stop(done, total)


def batch(url: str, progress: Callable[[int, int], None], count: int = 250) -> int:
    with Client(url, KEY) as client:
        return len(client.uploads.create_many(rows(count), progress=progress))


def batch_async(url: str, progress: Callable[[int, int], None], count: int = 250) -> int:
    async def main() -> int:
        async with AsyncClient(url, KEY) as client:
            return len(await client.uploads.create_many(rows(count), progress=progress))

    return asyncio.run(main())


@pytest.mark.parametrize("play", [batch, batch_async])
def test_what_a_callback_raises_ends_the_call_as_it_is(play: Callable[..., int]) -> None:
    gate = Gate()
    with Echo(gate.before_answer) as server, pytest.raises(Stop):
        play(server.url, gate.progress)


@pytest.mark.parametrize("play", [batch, batch_async])
def test_what_the_last_report_raises_does_not_hide_the_result(play: Callable[..., int]) -> None:
    noticed: list[object] = []

    def progress(done: int, total: int) -> None:
        if done == total:
            noticed.append(done)
            raise Stop

    with Echo() as server, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "unraisablehook", lambda raised: noticed.append(raised.exc_type))
        logging.disable()
        assert play(server.url, progress, 3) == 3
        logging.disable(logging.NOTSET)
    assert noticed[0] == 3
    assert len(noticed) <= 2


def test_leaving_a_stream_early_lets_the_client_go_on() -> None:
    async def main(url: str) -> str | None:
        async with AsyncClient(url, KEY) as client:
            call = client.uploads.watch(["up_1"])
            await call.aclose()  # type: ignore[attr-defined]
            return (await client.uploads.get("up_1")).content.title

    with Echo() as server:
        assert asyncio.run(main(server.url)) == "/v1/uploads/up_1"
