"""What the plain and the asynchronous client have in common, and the doors to the native module."""

from __future__ import annotations

from os import PathLike

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator
    from typing import Any, BinaryIO, TypeAlias, TypeVar

    from typing_extensions import Self

    from . import _native
    from ._models import PathLike_, UploadLike

    T = TypeVar("T")
    Progress: TypeAlias = Callable[[int, int], object]
    OnAttempt: TypeAlias = Callable[[int, int, "str | None"], object]
    File: TypeAlias = "PathLike_ | bytes | bytearray | memoryview | BinaryIO | Iterable[bytes]"
    OpenBrowser: TypeAlias = "bool | Callable[[str], object]"


def load() -> Any:
    """The native module. Loaded at first use: it is the expensive part of the package."""
    try:
        from . import _native
    except ImportError as error:
        raise ImportError(
            f"the native library of multi_upload could not be loaded ({error}). It is built for one"
            " operating system and processor; reinstall with `pip install --force-reinstall"
            " multi-upload`, or build it with `pip install .` in the repository."
        ) from error
    return _native


def given(**args: object) -> dict[str, Any]:
    """The arguments that were given."""
    return {name: value for name, value in args.items() if value is not None}


def id_of(value: UploadLike) -> str:
    """Calls take an id, or a record that has one."""
    return value if isinstance(value, str) else value.id


def source_of(source: File) -> dict[str, Any]:
    """A path is opened by the core; files and iterators are read as they are sent."""
    if isinstance(source, (bytes, bytearray, memoryview)):
        return {"bytes": bytes(source)}
    if isinstance(source, (str, PathLike)):
        return {"path": source}
    return {"source": source}


def rows_of(rows: Iterable[Any]) -> list[dict[str, Any]]:
    """The rows of a batch, whatever they come from. ``None`` means absent."""
    return [given(**row) for row in rows]


def items(name: str, make: Callable[[Any], T]) -> Callable[[Any], list[T]]:
    """Makes the records of an answer that is a list."""
    return lambda answer: [make(item) for item in answer[name]]


class _Door:
    """Where calls leave for the native module."""

    def __init__(self, native: _native.Client, on_attempt: OnAttempt | None) -> None:
        self._native = native
        self._on_attempt = on_attempt


class Door(_Door):
    """Calls of the plain client: an operation's name and arguments in, records out.

    ``options`` are those of ``_options``, in its order.
    """

    def call(self, op: str, args: dict[str, Any], make: Callable[[Any], T], *options: Any) -> T:
        settings = _options(self._on_attempt, *options)
        return make(self._native.call(op, args, settings))

    def stream(
        self, op: str, args: dict[str, Any], make: Callable[[Any], T], *options: Any
    ) -> Iterator[T]:
        settings = _options(self._on_attempt, *options)
        return map(make, self._native.stream(op, args, settings))

    def show(self, url: str, open_browser: OpenBrowser) -> None:
        _show(url, open_browser)

    def close(self) -> None:
        self._native.close()


class AsyncDoor(_Door):
    """The same for asyncio. Callbacks run in the event loop, in the caller's context."""

    async def call(
        self, op: str, args: dict[str, Any], make: Callable[[Any], T], *options: Any
    ) -> T:
        raised: list[BaseException] = []

        def report(done: int, total: int) -> None:
            try:
                progress(done, total)
            except BaseException as error:
                # The last report comes with the answer: what is done is not reported as failed.
                if done >= total:
                    raise
                raised.append(error)
                future.cancel()

        settings = _options(_in_loop(self._on_attempt), *options)
        progress: Any = settings.get("progress")
        if progress:
            settings["progress"] = _in_loop(report)
        future = self._native.call_async(op, args, settings)
        try:
            return make(await future)
        except BaseException:
            if raised:
                raise raised[0] from None
            raise

    def stream(
        self, op: str, args: dict[str, Any], make: Callable[[Any], T], *options: Any
    ) -> AsyncIterator[T]:
        settings = _options(_in_loop(self._on_attempt), *options)
        return _items(self._native.stream(op, args, settings), make)

    async def show(self, url: str, open_browser: OpenBrowser) -> None:
        import asyncio

        # A browser, and what stands in for one, may take its time.
        await asyncio.to_thread(_show, url, open_browser)

    async def close(self) -> None:
        await self._native.close_async()


def _options(
    on_attempt: Callable[..., object] | None,
    timeout: float | None,
    max_attempts: int | None,
    idempotency_key: str | None = None,
    progress: Callable[..., object] | None = None,
) -> dict[str, Any]:
    return given(**locals())


def _in_loop(callback: Callable[..., object] | None) -> Callable[..., object] | None:
    if callback is None:
        return None
    import asyncio
    import contextvars

    loop, context = asyncio.get_running_loop(), contextvars.copy_context()
    return lambda *args: loop.call_soon_threadsafe(callback, *args, context=context)


async def _items(stream: _native.Stream, make: Callable[[Any], T]) -> AsyncIterator[T]:
    async for item in stream:
        yield make(item)


def _show(url: str, open_browser: OpenBrowser) -> None:
    if callable(open_browser):
        open_browser(url)
        return
    import webbrowser

    if not (open_browser and webbrowser.open(url)):
        print(f"Open this page to connect the account:\n{url}", flush=True)


class BaseClient:
    """Making a client."""

    _handle: _native.Client

    def __init__(
        self,
        url: str | None = None,
        key: str | None = None,
        *,
        timeout: float | None = None,
        attempt_timeout: float | None = None,
        max_attempts: int | None = None,
        retry_base_delay: float | None = None,
        retry_max_delay: float | None = None,
        retry_jitter: bool | None = None,
        on_attempt: OnAttempt | None = None,
    ) -> None:
        """A client of a service over HTTP.

        url: address of the service; ``MULTI_UPLOAD_URL`` where absent.
        key: API key; ``MULTI_UPLOAD_API_KEY`` where absent.
        timeout: seconds for one call with all its attempts, 60.
        attempt_timeout: seconds for one attempt, 30.
        max_attempts: how often a call is sent at most, 3.
        retry_base_delay, retry_max_delay: seconds between attempts, 0.05 growing to 20.
        retry_jitter: False waits exactly the upper bound.
        on_attempt: called with (number, delay in ms, code of the error before) for each attempt.
        """
        options = given(
            timeout=timeout,
            attempt_timeout=attempt_timeout,
            max_attempts=max_attempts,
            retry_base_delay=retry_base_delay,
            retry_max_delay=retry_max_delay,
            retry_jitter=retry_jitter,
        )
        self._open(load().Client.http(url, key, options), on_attempt)

    @classmethod
    def local(
        cls,
        path: PathLike_,
        *,
        sandbox: bool = False,
        listen: str | None = None,
        on_attempt: OnAttempt | None = None,
    ) -> Self:
        """A client with the whole engine inside this process, on a data folder.

        path: the folder, the same as ``multi-upload serve --data``; made if it is absent.
        sandbox: publish to the built-in sandbox instead of the real networks.
        listen: where the OAuth redirect is received while an account is being connected,
            ``127.0.0.1:8787`` unless it is a sandbox.

        The engine publishes only while this process lives. One engine at a time uses a folder:
        a second one raises ``ConflictError`` with the code ``DATA_IN_USE``.
        """
        client = cls.__new__(cls)
        client._open(load().Client.local(path, sandbox, listen), on_attempt)
        return client

    @property
    def sandbox_url(self) -> str | None:
        """Where the sandbox of a local client listens, with its ledger under ``/_sandbox``."""
        return self._handle.sandbox_url

    def _open(self, native: _native.Client, on_attempt: OnAttempt | None) -> None:
        raise NotImplementedError
