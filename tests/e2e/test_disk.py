"""A disk that is full, and one that fails: nothing is sent twice, nothing that was accepted is
lost, and the service goes on by itself once the disk does."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from support import Answer, Program, Sandbox, Service, in_seconds, lacking, moment, until

QUIET = "3s"

# Room for the database and its log, and little more.
SMALL = 6 * 1024 * 1024


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Sandbox]:
    with Program(tmp_path, "sandbox", "--listen", "127.0.0.1:0") as program:
        yield Sandbox(program.ready["url"])


@contextmanager
def connected(folder: Path, network: Sandbox) -> Iterator[Service]:
    settings = {
        "MULTI_UPLOAD_PINTEREST_API_URL": f"{network.api.url}/v5",
        "MULTI_UPLOAD_PINTEREST_AUTHORIZE_URL": f"{network.api.url}/oauth/",
        "PINTEREST_APP_ID": "4711",
        "PINTEREST_APP_SECRET": "a secret",
        "MULTI_UPLOAD_QUIET_PERIOD": QUIET,
        # Less than the small disk has.
        "MULTI_UPLOAD_MIN_FREE_DISK": "512KiB",
    }
    with Service(folder, env=settings) as service:
        service.connect()
        yield service


class Clients:
    """Who asks for uploads, and what they were told."""

    def __init__(self, service: Service, network: Sandbox) -> None:
        self.service = service
        self.network = network
        self.accepted: dict[str, str] = {}
        self.refused: list[dict[str, Any]] = []

    def ask(self, title: str, **more: Any) -> bool:
        """Whether it was accepted. A refusal is one of the disk, and says what to do."""
        board = len(self.accepted) % 20
        answer = self.service.api.post("/v1/uploads", self.service.pin(title, board, **more))
        if answer.status == 202:
            self.accepted[title] = answer.json["id"]
            return True
        self.refused.append(self.problem(answer) | {"title": title})
        return False

    def problem(self, answer: Answer) -> dict[str, Any]:
        problem = answer.json
        assert answer.status == 503, problem
        assert problem["code"] in {"STORAGE_FULL", "STORAGE_FAILED"}, problem
        assert problem["remedy"], problem
        return dict(problem)

    def check(self, seconds: float) -> None:
        """Whatever was accepted becomes one pin, and nothing else becomes any."""
        uploads = [{"id": id} for id in self.accepted.values()]
        done = self.service.api.wait(uploads, seconds=seconds)
        assert {upload["status"] for upload in done} == {"published"}, done
        pins = self.network.ledger()["pins"]
        assert sorted(pin["title"] for pin in pins) == sorted(self.accepted)
        made = {pin["title"]: pin["id"] for pin in pins}
        told = {u["content"]["title"]: u["targets"][0]["remote_id"] for u in done}
        assert told == made
        listed = self.service.api.get("/v1/uploads", limit=1000)["items"]
        assert {upload["id"] for upload in listed} == set(self.accepted.values())


# --- full


@contextmanager
def small_disk(place: Path) -> Iterator[None]:
    place.mkdir(mode=0o700)
    options = f"size={SMALL},mode=700"
    mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        lacking("a small disk cannot be mounted here: that needs root")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill(file: Path) -> None:
    """Until not a byte more fits."""
    for size in (64 * 1024, 4 * 1024, 1):
        with suppress(OSError), file.open("ab", buffering=0) as ballast:
            while ballast.write(b"x" * size):
                pass


def test_a_full_disk(tmp_path: Path, network: Sandbox) -> None:
    with small_disk(tmp_path / "data"), connected(tmp_path, network) as service:
        clients = Clients(service, network)
        assert clients.ask("First")
        clients.check(30)
        due = in_seconds(4)
        for number in range(8):
            assert clients.ask(f"Due {number}", scheduled_at=due)
        ballast = tmp_path / "data" / "ballast"
        fill(ballast)
        more = iter(range(2_000))
        until(lambda: not clients.ask(f"More {next(more)}"), "there is no room any more")
        refused = clients.refused[-1]
        assert refused["code"] == "STORAGE_FULL"
        assert refused["outcome"] == "none"
        # What is stored can be read, and the time of the others comes meanwhile.
        until(lambda: moment(in_seconds(-1)) > moment(due), "they are due")
        assert service.api.get("/v1/uploads", limit=1000)["items"]
        # None is sent: what the network answers could not be stored.
        assert network.titles() == {"First": 1}

        ballast.unlink()
        until(lambda: clients.ask(f"Again {next(more)}"), "there is room again", 40)
        clients.check(90)
        print(f"\nfull disk: {len(clients.accepted)} accepted, {len(clients.refused)} refused")


# --- failing


@contextmanager
def failing(service: Service, calls: str, error: str, nth: int, log: Path) -> Iterator[None]:
    """The n-th of these system calls of each thread fails, from now on."""
    assert service.process is not None
    inject = f"inject={calls}:error={error}:when={nth}"
    command = ["strace", "-f", "-p", str(service.process.pid), "-o", str(log)]
    command += ["-e", f"trace={calls}", "-e", inject]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as strace:
        assert strace.stderr is not None
        said = strace.stderr.readline()
        if "attached" not in said:
            lacking(f"system calls cannot be made to fail here: {said}")
        try:
            yield
        finally:
            strace.send_signal(signal.SIGINT)


# Each commit is one sync, that of the upload itself the first, then those of its way; and several
# writes. SQLite does not tell why a sync failed, so a full disk is known by its writes alone.
SERIES = [
    ("fsync,fdatasync", "EIO", range(1, 6)),
    ("pwrite64", "EIO", range(1, 26, 4)),
    ("pwrite64", "ENOSPC", range(2, 27, 4)),
]


def test_a_failing_disk(tmp_path: Path, network: Sandbox) -> None:
    if shutil.which("strace") is None:
        lacking("strace was not found")
    log = tmp_path / "strace"
    with connected(tmp_path, network) as service:
        clients = Clients(service, network)
        failed = 0
        for calls, error, series in SERIES:
            for nth in series:
                before = len(clients.refused)
                with failing(service, calls, error, nth, log):
                    one_more(clients, f"{error} of {calls} number {nth}")
                failed += (hit := len(re.findall("INJECTED", log.read_text())))
                new = clients.refused[before:]
                assert len(new) <= hit, "it goes on with the next call"
                if error == "ENOSPC":
                    assert {problem["code"] for problem in new} <= {"STORAGE_FULL"}
        assert failed > 10
        assert clients.refused
        clients.check(90)

        # What was promised is on the disk.
        service.kill()
        service.start()
        clients.check(30)
        print(
            f"\nfailing disk: {failed} calls failed, {len(clients.accepted)} uploads accepted,"
            f" {len(clients.refused)} refused"
        )


def one_more(clients: Clients, title: str) -> None:
    """An upload that is asked for until it is accepted, and a look at how it fares."""
    tries = iter(range(100))
    until(lambda: clients.ask(f"{title}, {next(tries)}"), "it is accepted")
    path = f"/v1/uploads/{list(clients.accepted.values())[-1]}"
    # What was in its way may take a lease to be over; that is waited for at the end.
    with suppress(AssertionError):
        until(lambda: moved_on(clients.service.api.get(path)), "it is published", 1)


def moved_on(upload: dict[str, Any]) -> bool:
    """Published, or something is in its way."""
    [target] = upload["targets"]
    return target["status"] in {"published", "waiting"} or target["error"] is not None
