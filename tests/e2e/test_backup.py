"""Backup, restore and copies of a data folder: the network knows what was really sent."""

from __future__ import annotations

import json
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import Program, Sandbox, Service, fault, in_seconds, run, until

PINS = ("POST", "/v5/pins")
QUIET = "2s"


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Sandbox]:
    with Program(tmp_path, "sandbox", "--listen", "127.0.0.1:0") as program:
        yield Sandbox(program.ready["url"])


@pytest.fixture
def settings(network: Sandbox) -> dict[str, str]:
    """Takes the fake network for the real one."""
    return {
        "MULTI_UPLOAD_PINTEREST_API_URL": f"{network.api.url}/v5",
        "MULTI_UPLOAD_PINTEREST_AUTHORIZE_URL": f"{network.api.url}/oauth/",
        "PINTEREST_APP_ID": "4711",
        "PINTEREST_APP_SECRET": "a secret",
        "MULTI_UPLOAD_QUIET_PERIOD": QUIET,
    }


@pytest.fixture
def service(tmp_path: Path, settings: dict[str, str]) -> Iterator[Service]:
    with Service(tmp_path, env=settings) as service:
        service.connect()
        yield service


def schedule(service: Service, titles: list[str], over: float, start: float) -> list[Any]:
    rows = [
        service.pin(title, board=n % 5, scheduled_at=in_seconds(start + over * n / len(titles)))
        for n, title in enumerate(titles)
    ]
    results = service.api.post("/v1/uploads/batch", {"uploads": rows}).ok()["results"]
    return [result["upload"] for result in results]


def kinds(service: Service, upload: dict[str, Any]) -> list[str]:
    return [e["kind"] for e in service.api.get(f"/v1/uploads/{upload['id']}/events")["items"]]


def check(network: Sandbox, uploads: list[dict[str, Any]]) -> None:
    """Each is published as a pin of its own that has its title, and there are no others."""
    assert {upload["status"] for upload in uploads} == {"published"}
    pins = {pin["id"]: pin["title"] for pin in network.ledger()["pins"]}
    remote = {u["targets"][0]["remote_id"]: u["content"]["title"] for u in uploads}
    assert remote == pins
    assert len(uploads) == len(pins)


def backup(service: Service, file: Path, *more: str) -> dict[str, Any]:
    [made] = service.command("backup", str(file), "--data", str(service.data), *more)
    return made


def restore(service: Service, file: Path) -> dict[str, Any]:
    [done] = service.command("restore", str(file), "--data", str(service.data))
    return done


def test_what_was_published_after_the_backup_is_not_sent_again(
    service: Service, network: Sandbox, tmp_path: Path
) -> None:
    # Two of them look the same: a look cannot tell which is which, only that there are two.
    titles = [f"Pin {n}" for n in range(9)] + ["Twin", "Twin"]
    rows = [service.pin(title, board=min(n, 9) % 5) for n, title in enumerate(titles)]
    for n, row in enumerate(rows):
        row["scheduled_at"] = in_seconds(1.5 + n / 10)
    results = service.api.post("/v1/uploads/batch", {"uploads": rows}).ok()["results"]
    uploads = [result["upload"] for result in results]
    file = tmp_path / "backup.db"
    backup(service, file)
    assert network.titles() == {}
    service.api.wait(uploads)
    assert len(network.ledger()["pins"]) == 11
    service.kill()

    restore(service, file)
    service.start()
    done = service.api.wait(uploads)
    check(network, done)
    assert network.count("POST /v5/pins") == 11
    assert all("target.armed" not in kinds(service, upload) for upload in done)
    # The guard is for what was due: what comes later goes out as ever.
    later = service.api.create(**service.pin("Later"))
    check(network, done + service.api.wait([later]))
    assert "target.reconciling" not in kinds(service, later)


def test_what_was_due_but_never_sent_goes_out_once_that_is_proven(
    service: Service, network: Sandbox, tmp_path: Path
) -> None:
    # A board that shows an older pin, without which its list proves nothing.
    first = service.api.create(**service.pin("First"))
    service.api.wait([first])
    uploads = schedule(service, ["Unsent"], over=0, start=1)
    file = tmp_path / "backup.db"
    backup(service, file)
    service.kill()
    restore(service, file)
    due = uploads[0]["scheduled_at"]
    until(lambda: in_seconds(-0.1) > due, "its time passes")
    service.start()
    done = service.api.wait(uploads)
    assert [upload["status"] for upload in done] == ["published"]
    assert network.titles() == {"First": 1, "Unsent": 1}
    timeline = kinds(service, uploads[0])
    assert timeline.index("target.absent") < timeline.index("target.armed")


def test_a_copied_folder_sends_nothing_that_was_sent(
    service: Service, network: Sandbox, settings: dict[str, str], tmp_path: Path
) -> None:
    uploads = schedule(service, [f"Pin {n}" for n in range(8)], over=0.5, start=1.5)
    service.kill()
    other = tmp_path / "other"
    shutil.copytree(service.data, other / "data")
    service.start()
    service.api.wait(uploads)

    with Service(other, env=settings) as copy:
        copy.api.key = service.api.key
        done = copy.api.wait(uploads)
        check(network, done)
        assert network.count("POST /v5/pins") == 8


def test_an_older_database_put_back_by_hand_is_noticed(
    service: Service, network: Sandbox, tmp_path: Path
) -> None:
    uploads = schedule(service, ["Pin 0", "Pin 1"], over=0, start=2)
    file = tmp_path / "backup.db"
    backup(service, file)
    service.api.wait(uploads)
    # Its last heartbeat is in the file beside the database.
    service.signal(15)
    assert service.ended() == 0
    shutil.copyfile(file, service.data / "multi-upload.db")
    service.start()
    check(network, service.api.wait(uploads))
    assert network.count("POST /v5/pins") == 2


def test_a_backup_while_pins_go_out_is_consistent(
    service: Service, network: Sandbox, tmp_path: Path
) -> None:
    network.faults(fault(*PINS, count=0, delay_ms=150))
    uploads = schedule(service, [f"Pin {n}" for n in range(25)], over=1.5, start=0.3)
    file = tmp_path / "backup.db"
    until(lambda: network.ledger()["pins"] and network.in_flight() > 1, "pins are going out")
    backup(service, file)
    made = len(network.ledger()["pins"])
    assert made < 25
    service.api.wait(uploads)
    service.kill()
    network.clear()

    restore(service, file)
    service.start()
    done = service.api.wait(uploads)
    check(network, done)
    assert network.count("POST /v5/pins") == 25


def test_a_restart_as_it_should_be_is_not_taken_for_a_restore(
    service: Service, network: Sandbox
) -> None:
    [upload] = schedule(service, ["Pin"], over=0, start=0.3)
    service.kill()
    until(lambda: in_seconds(0) > upload["scheduled_at"], "its time passes")
    service.start()
    check(network, service.api.wait([upload]))
    assert "target.reconciling" not in kinds(service, upload)


def test_the_commands_refuse_what_would_do_harm(service: Service, tmp_path: Path) -> None:
    file = tmp_path / "backup.db"
    made = backup(service, file)
    assert made["bytes"] == file.stat().st_size
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir() if "part" in path.name] == []
    assert b"a secret" not in file.read_bytes()

    def refused(code: str, *args: str) -> dict[str, Any]:
        done = run("--json", *args)
        assert done.returncode == 1
        error = json.loads(done.stderr)["error"]
        assert error["code"] == code
        return error

    data = ("--data", str(service.data))
    assert "--force" in refused("CONFIG_INVALID", "backup", str(file), *data)["remedy"]
    backup(service, file, "--force")
    refused("DATA_IN_USE", "restore", str(file), *data)
    service.kill()

    before = (service.data / "multi-upload.db").read_bytes()
    broken = tmp_path / "broken.db"
    broken.write_bytes(file.read_bytes()[:9000])
    refused("CONFIG_INVALID", "restore", str(broken), *data)
    refused("CONFIG_INVALID", "restore", str(tmp_path / "missing.db"), *data)
    assert (service.data / "multi-upload.db").read_bytes() == before
    done = restore(service, file)
    assert Path(done["before"]).is_file()
    refused("CONFIG_INVALID", "backup", str(tmp_path / "x.db"), "--data", str(tmp_path / "none"))
    url = ("--database-url", "postgres://nobody@localhost/none")
    for command, tool in (("backup", "pg_dump"), ("restore", "pg_restore")):
        error = refused("CONFIG_INVALID", command, str(tmp_path / "y.db"), *url)
        assert tool in error["remedy"]
