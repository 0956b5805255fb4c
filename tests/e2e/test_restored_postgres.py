"""A restored PostgreSQL database: what was published since is not sent again, by any node."""

from __future__ import annotations

import base64
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cluster import database, programs
from support import Program, Sandbox, Service, in_seconds, until

QUIET = "2s"


@pytest.fixture
def url() -> Iterator[str]:
    with database() as url:
        yield url


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Sandbox]:
    with Program(tmp_path, "sandbox", "--listen", "127.0.0.1:0") as program:
        yield Sandbox(program.ready["url"])


@pytest.fixture
def settings(url: str, network: Sandbox) -> dict[str, str]:
    return {
        "MULTI_UPLOAD_DATABASE_URL": url,
        "MULTI_UPLOAD_MASTER_KEY": base64.b64encode(os.urandom(32)).decode(),
        "MULTI_UPLOAD_PINTEREST_API_URL": f"{network.api.url}/v5",
        "MULTI_UPLOAD_PINTEREST_AUTHORIZE_URL": f"{network.api.url}/oauth/",
        "PINTEREST_APP_ID": "4711",
        "PINTEREST_APP_SECRET": "a secret",
        "MULTI_UPLOAD_QUIET_PERIOD": QUIET,
    }


def tool(name: str, *args: str) -> None:
    folder = programs()
    assert folder is not None
    subprocess.run([str(Path(folder) / name), *args], check=True, capture_output=True)


def node(folder: Path, name: str, settings: dict[str, str]) -> Service:
    """With a data folder of its own."""
    (folder / name).mkdir()
    return Service(folder / name, env=settings)


def kinds(service: Service, upload: dict[str, Any]) -> list[str]:
    return [e["kind"] for e in service.api.get(f"/v1/uploads/{upload['id']}/events")["items"]]


@pytest.mark.parametrize("starts", ["the same node", "a new node"])
def test_what_was_published_after_the_dump_is_not_sent_again(
    tmp_path: Path, url: str, network: Sandbox, settings: dict[str, str], starts: str
) -> None:
    dump = str(tmp_path / "dump")
    with node(tmp_path, "first", settings) as first:
        first.connect()
        uploads = [
            first.api.create(**first.pin(f"Pin {n}", board=n, scheduled_at=in_seconds(6)))
            for n in range(6)
        ]
        tool("pg_dump", "-Fc", "-f", dump, url)
        assert network.titles() == {}, "the dump was made in time"
        first.api.wait(uploads)
        assert len(network.ledger()["pins"]) == 6
        first.kill()
        tool("pg_restore", "--clean", "-d", url, dump)

        with node(tmp_path, "second", settings) as second:
            if starts == "a new node":
                second.api.key = first.api.key
                one = second
            else:
                second.kill()
                tool("pg_restore", "--clean", "-d", url, dump)
                first.start()
                one = first
            done = one.api.wait(uploads)
            assert {upload["status"] for upload in done} == {"published"}
            remote = {u["targets"][0]["remote_id"]: u["content"]["title"] for u in done}
            assert remote == {pin["id"]: pin["title"] for pin in network.ledger()["pins"]}
            assert network.count("POST /v5/pins") == 6
            assert all("target.armed" not in kinds(one, upload) for upload in done)


def test_a_database_that_was_not_restored_sends_what_is_due(
    tmp_path: Path, network: Sandbox, settings: dict[str, str]
) -> None:
    with node(tmp_path, "first", settings) as first:
        first.connect()
        due = in_seconds(1)
        upload = first.api.create(**first.pin("Later", scheduled_at=due))
        first.kill()
        until(lambda: in_seconds(-0.1) > due, "its time passes")
        with node(tmp_path, "second", settings) as second:
            second.api.key = first.api.key
            [done] = second.api.wait([upload])
            assert done["status"] == "published"
            assert "target.reconciling" not in kinds(second, upload)
        assert network.titles() == {"Later": 1}
