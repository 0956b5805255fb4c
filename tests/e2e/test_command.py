"""The command line, as the README shows it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from support import BINARY, ROOT, Service, clean_environment, png, run


@pytest.fixture
def settings(service: Service) -> dict[str, str]:
    assert service.api.key
    return {"MULTI_UPLOAD_URL": service.api.url, "MULTI_UPLOAD_API_KEY": service.api.key}


def test_connect_waits_for_the_consent(settings: dict[str, str]) -> None:
    process = subprocess.Popen(
        [BINARY, "--json", "connect", "pinterest"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=clean_environment(**settings),
    )
    with process:
        assert process.stderr
        assert process.stdout
        link = next(line.strip() for line in process.stderr if "/oauth/" in line)
        consent = [sys.executable, str(ROOT / "tests" / "e2e" / "consent.py"), link]
        subprocess.run(consent, check=True, timeout=30)
        account = json.loads(process.stdout.read())
    assert process.returncode == 0
    assert account["id"] == "pinterest:549755885175"


def test_a_file_is_pinned_from_the_shell(
    service: Service, settings: dict[str, str], tmp_path: Path
) -> None:
    boards = service.command("boards", env=settings)
    assert len(boards) == 31
    picture = tmp_path / "cake.png"
    picture.write_bytes(png())
    pin = ("pin", str(picture), "--board", "sourdough", "--title", "From the shell", "--wait")
    [upload] = service.command(*pin, env=settings)
    assert upload["status"] == "published"
    [made] = service.sandbox.titled("From the shell")
    assert made["id"] == upload["targets"][0]["remote_id"]
    assert made["board_id"] == next(b["id"] for b in boards if b["name"] == "Sourdough")

    listed = service.command("uploads", "--status", "published", env=settings)
    assert upload["id"] in [each["id"] for each in listed]


def test_a_dry_run_stores_nothing(service: Service, settings: dict[str, str]) -> None:
    pin = ("pin", "https://yourcdn.example/a.jpg", "--board", "Sourdough", "--title", "Only a look")
    done = run(*pin, "--dry-run", env=settings)
    assert done.returncode == 0
    assert done.stdout.startswith("It would be accepted.\n")
    bad = run(*pin, "--dry-run", "--link", "nowhere", env=settings)
    assert bad.returncode == 1
    assert "/link" in bad.stdout
    assert service.api.get("/v1/uploads", q="Only a look")["items"] == []


def test_an_error_says_what_to_do(service: Service, settings: dict[str, str]) -> None:
    wrong = run("boards", "pinterest:1", env=settings)
    assert wrong.returncode == 1
    assert wrong.stdout == ""
    assert "NOT_FOUND" in wrong.stderr
    assert "GET /v1/accounts" in wrong.stderr

    nobody = run("boards", env={"MULTI_UPLOAD_URL": service.api.url})
    assert nobody.returncode == 1
    assert "MULTI_UPLOAD_API_KEY" in nobody.stderr

    nowhere = run("boards", env=settings | {"MULTI_UPLOAD_URL": "http://127.0.0.1:1"})
    assert nowhere.returncode == 1
    assert "CONNECT_FAILED" in nowhere.stderr
    assert "MULTI_UPLOAD_URL" in nowhere.stderr

    assert run("frobnicate").returncode == 2
    assert run("serve", "--data", "/dev/null/x").returncode == 1


def test_help_names_every_setting() -> None:
    said = run("serve", "--help").stdout
    for word in (
        "--data",
        "MULTI_UPLOAD_DATA",
        "--listen",
        "127.0.0.1:8787",
        "MULTI_UPLOAD_LISTEN",
    ):
        assert word in said
    assert run("--version").stdout.startswith("multi-upload ")
