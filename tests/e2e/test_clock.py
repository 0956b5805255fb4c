"""The machine's clock jumps while the service runs: nothing is sent twice, and nothing early.

The service sees a clock that this test moves, through libfaketime; timers and the network's clock
go on as they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import Program, Sandbox, Service, fault, in_seconds, lacking, moment, until

PINS = ("POST", "/v5/pins")

# A jump is believed after ten seconds at the earliest.
QUIET = "4s"

HOUR = 3_600
TEN_YEARS = 10 * 365 * 24 * HOUR


def library() -> Path:
    """The one for programs with several threads."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    if not found:
        lacking("libfaketime was not found")
    return found[0]


class Clock:
    """What the service takes for the time."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "clock"
        self.set(0)

    def set(self, offset: int) -> None:
        new = self.file.with_suffix(".new")
        new.write_text(f"{offset:+d}\n")
        new.replace(self.file)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "LD_PRELOAD": str(library()),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_DONT_RESET": "1",
        }


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    return Clock(tmp_path)


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Sandbox]:
    with Program(tmp_path, "sandbox", "--listen", "127.0.0.1:0") as program:
        yield Sandbox(program.ready["url"])


@pytest.fixture
def service(tmp_path: Path, network: Sandbox, clock: Clock) -> Iterator[Service]:
    settings = {
        "MULTI_UPLOAD_PINTEREST_API_URL": f"{network.api.url}/v5",
        "MULTI_UPLOAD_PINTEREST_AUTHORIZE_URL": f"{network.api.url}/oauth/",
        "PINTEREST_APP_ID": "4711",
        "PINTEREST_APP_SECRET": "a secret",
        "MULTI_UPLOAD_QUIET_PERIOD": QUIET,
    }
    with Service(tmp_path, env=settings | clock.environment) as service:
        service.connect()
        yield service


def jump(service: Service, clock: Clock, offset: int) -> None:
    """The clock jumps, and the service has seen it: what is stored now has that time."""
    clock.set(offset)
    draft = service.api.create(**service.pin("Draft", draft=True))
    ahead = (moment(draft["created_at"]) - moment(in_seconds(0))).total_seconds()
    assert abs(ahead - offset) < 60, "the service sees the clock of the test"
    service.api.call("POST", f"/v1/uploads/{draft['id']}/cancel").ok()


def status(service: Service, upload: dict[str, Any]) -> str:
    [target] = service.api.get(f"/v1/uploads/{upload['id']}")["targets"]
    return str(target["status"])


@pytest.mark.parametrize("offset", [HOUR, TEN_YEARS], ids=["an hour", "ten years"])
def test_a_clock_that_was_ahead_for_a_while(
    service: Service, network: Sandbox, clock: Clock, offset: int
) -> None:
    soon = service.api.create(**service.pin("Soon", scheduled_at=in_seconds(offset / 2)))
    later = service.api.create(**service.pin("Later", scheduled_at=in_seconds(2 * offset)))
    jump(service, clock, offset)
    # Wanted now, and not sent while nobody knows what now is.
    service.api.create(**service.pin("Now"))
    until(lambda: "the clock jumped forward" in service.log.read_text(), "it is noticed", 8)
    jump(service, clock, 0)
    assert network.titles() == {}
    [done] = service.api.wait([service.api.create(**service.pin("Again"))], seconds=60)
    assert done["status"] == "published"
    assert [status(service, upload) for upload in (soon, later)] == ["scheduled"] * 2
    assert network.titles() == {"Again": 1}


@pytest.mark.parametrize("offset", [HOUR, TEN_YEARS], ids=["an hour", "ten years"])
def test_a_clock_that_was_behind_for_a_while(
    service: Service, network: Sandbox, clock: Clock, offset: int
) -> None:
    soon = service.api.create(**service.pin("Soon", scheduled_at=in_seconds(2)))
    jump(service, clock, -offset)
    jump(service, clock, 0)
    # That looks like a jump forward. It is believed after a while, or after a new start.
    if offset > 24 * HOUR:
        service.kill()
        service.start()
    [done] = service.api.wait([soon], seconds=60)
    assert done["status"] == "published"
    assert moment(done["targets"][0]["published_at"]) > moment(soon["scheduled_at"])
    assert network.titles() == {"Soon": 1}


def test_a_quiet_period_is_not_over_because_the_clock_says_so(
    service: Service, network: Sandbox, clock: Clock
) -> None:
    """A pin that takes effect late is not sent again by a clock that has jumped over the wait."""
    network.faults(fault(*PINS, when="late", apply_after_ms=3_000, cut={}))
    upload = service.api.create(**service.pin("Doubtful"))
    until(lambda: network.struck() == [1], "it was sent")
    jump(service, clock, HOUR)
    [done] = service.api.wait([upload], seconds=60)
    assert done["status"] == "published"
    assert done["targets"][0]["attempts"] == 1
    assert network.titles() == {"Doubtful": 1}
