"""The package among processes and signals. Each test watches a Python of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import ROOT
from servers import Echo, Silent

import multi_upload
from multi_upload import _errors, _models

posix = pytest.mark.skipif(os.name != "posix", reason="fork and signals are those of POSIX")


# Where the tests run in the background Ctrl-C is ignored, and children inherit that.
LISTEN = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"


def start(script: str, *args: str) -> subprocess.Popen[str]:
    command = [
        sys.executable,
        "-W",
        "ignore::DeprecationWarning",
        "-c",
        LISTEN + textwrap.dedent(script),
        *args,
    ]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def run(script: str, *args: str) -> str:
    process = start(script, *args)
    output, trouble = process.communicate(timeout=60)
    assert (process.returncode, trouble) == (0, "")
    return output


@posix
def test_ctrl_c_ends_a_waiting_call_and_its_request() -> None:
    script = """
        import sys
        from multi_upload import Client
        try:
            Client(sys.argv[1], "mu_test_key", timeout=600, attempt_timeout=600).uploads.get("up_1")
        except KeyboardInterrupt:
            print("interrupted")
    """
    with Silent() as server:
        process = start(script, server.url)
        connection = server.request()
        process.send_signal(signal.SIGINT)
        assert server.ended(connection)
        assert process.communicate(timeout=60) == ("interrupted\n", "")
        assert process.returncode == 0


@posix
def test_ctrl_c_ends_a_waiting_iteration() -> None:
    script = """
        import sys
        from multi_upload import Client
        try:
            client = Client(sys.argv[1], "mu_test_key", timeout=600, attempt_timeout=600)
            list(client.accounts.list())
        except KeyboardInterrupt:
            print("interrupted")
    """
    with Silent() as server:
        process = start(script, server.url)
        server.request()
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=60) == ("interrupted\n", "")


@posix
def test_a_forked_child_needs_its_own_client() -> None:
    script = """
        import os, sys
        from multi_upload import Client, ConfigError
        client = Client(sys.argv[1], "mu_test_key")
        client.uploads.get("up_1")
        stream = client.uploads.watch(["up_1"])
        child = os.fork()
        if child == 0:
            for use in (lambda: client.uploads.get("up_1"), lambda: next(stream), client.close):
                try:
                    use()
                except ConfigError as error:
                    assert str(os.getppid()) in error.detail and str(os.getpid()) in error.detail
                else:
                    sys.exit(3)
            del client, stream
            print("child:", Client(sys.argv[1], "mu_test_key").uploads.get("up_2").content.title)
            sys.exit(0)
        _, status = os.waitpid(child, 0)
        print("parent:", client.uploads.get("up_3").content.title, status)
    """
    with Echo() as server:
        assert run(script, server.url) == "child: /v1/uploads/up_2\nparent: /v1/uploads/up_3 0\n"


@posix
def test_multiprocessing_by_fork_returns_results_and_errors() -> None:
    script = """
        import multiprocessing, sys
        from multi_upload import Client, MultiUploadError
        def work(url):
            return Client(url, "mu_test_key").uploads.get("up_1")
        if __name__ == "__main__":
            work(sys.argv[1])
            with multiprocessing.get_context("fork").Pool(2) as pool:
                print(pool.map(work, [sys.argv[1]] * 4)[3].content.title)
                try:
                    pool.map(work, ["http://127.0.0.1:1"])
                except MultiUploadError as error:
                    print(error.code, error.attempts)
    """
    with Echo() as server:
        assert run(script, server.url) == "/v1/uploads/up_1\nCONNECT_FAILED 3\n"


def test_twenty_processes_leave_in_the_middle_of_fifty_calls() -> None:
    script = """
        import asyncio, sys
        from multi_upload import AsyncClient, Client
        async def main():
            client = AsyncClient(sys.argv[1], "mu_test_key")
            for number in range(50):
                client._handle.call_async("uploads.get", {"id": str(number)}, {})
            await client.uploads.get("up_1")
        asyncio.run(main())
    """
    with Echo() as server, ThreadPoolExecutor(2) as workers:
        assert list(workers.map(lambda _: run(script, server.url), range(20))) == [""] * 20


def test_leaving_does_not_wait_for_a_call_in_another_thread() -> None:
    script = """
        import sys, threading
        from multi_upload import Client
        client = Client(sys.argv[1], "mu_test_key", timeout=600, attempt_timeout=600)
        threading.Thread(target=lambda: client.uploads.get("up_1"), daemon=True).start()
        sys.stdin.readline()
    """
    with Silent() as server:
        command = [sys.executable, "-c", textwrap.dedent(script), server.url]
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        server.request()
        assert process.communicate("\n", timeout=60)[1].count("Traceback") <= 1
        assert process.returncode == 0


def test_importing_loads_no_other_package() -> None:
    script = """
        import sys
        before = set(sys.modules)
        from multi_upload import AsyncClient, Client
        print(sorted(set(sys.modules) - before))
    """
    own = ["_async_client", "_base", "_client", "_models", "_records"]
    expected = ["__future__", "binascii", "multi_upload", *(f"multi_upload.{name}" for name in own)]
    assert run(script) == f"{expected}\n"


def test_every_public_name_is_there_and_others_are_named() -> None:
    public = {
        "AsyncClient",
        "Client",
        "Record",
        "verify_webhook",
        *_errors.__all__,
        *_models.__all__,
    }
    assert set(multi_upload.__all__) == public
    assert all(getattr(multi_upload, name) is not None for name in public)
    assert public <= set(dir(multi_upload))
    with pytest.raises(AttributeError, match="Cleint"):
        multi_upload.Cleint  # type: ignore[attr-defined]  # noqa: B018


def test_the_command_is_in_the_package() -> None:
    command = [sys.executable, "-m", "multi_upload", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=ROOT)
    assert (done.returncode, done.stdout) == (0, "multi-upload 0.1.0\n")
