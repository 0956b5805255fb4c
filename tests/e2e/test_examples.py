"""Every snippet of the documentation runs unchanged, with nothing but environment variables."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support import PATIENCE, ROOT, Service, clean_environment

EXAMPLES = ROOT / "examples"
# `make demo` and `make demo-node` run these.
DEMO = {"schedule_50_pins.py", "schedule-50-pins.mjs", "consent.mjs", "consent.py"}

# Where skips are forbidden, what is missing fails the test that needs it.
FORBIDDEN = os.environ.get("MULTI_UPLOAD_FORBID_SKIPS") == "1"
curl = pytest.mark.skipif(
    not FORBIDDEN and not shutil.which("curl"), reason="curl is not installed"
)
node = pytest.mark.skipif(
    not FORBIDDEN and not shutil.which("node"), reason="Node is not installed"
)


def run(service: Service, folder: Path, *command: str, **more: str) -> str:
    """What an example prints; it has to end with 0."""
    # Examples name their pictures from the top of the repository, and may leave files behind.
    (folder / "examples").symlink_to(EXAMPLES)
    assert service.api.key
    env = clean_environment(
        MULTI_UPLOAD_URL=service.api.url,
        MULTI_UPLOAD_API_KEY=service.api.key,
        ACCOUNT=service.account["id"],
        BOARD=service.boards[0]["id"],
        PYTHONPATH=os.environ.get("PYTHONPATH", str(ROOT / "bindings-python" / "python")),
        **more,
    )
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, env=env, timeout=PATIENCE, check=False
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def python(name: str) -> tuple[str, str]:
    return sys.executable, str(EXAMPLES / "python" / name)


def javascript(name: str) -> tuple[str, str]:
    # Resolved by its real path: the package is the workspace's.
    return "node", str(EXAMPLES / "node" / name)


def test_python_first_pin(service: Service, tmp_path: Path) -> None:
    before = len(service.sandbox.titled("Lemon cake"))
    said = run(service, tmp_path, *python("first_pin.py"))
    *_, pin = service.sandbox.titled("Lemon cake")
    assert len(service.sandbox.titled("Lemon cake")) == before + 1
    assert f"https://www.pinterest.com/pin/{pin['id']}/" in said


def test_python_slots(service: Service, tmp_path: Path) -> None:
    said = run(service, tmp_path, *python("slots.py"))
    assert said.count(" takes the slot at ") == 3
    queued = service.api.get("/v1/uploads", q="Queued")["items"]
    assert len({upload["scheduled_at"] for upload in queued}) == 3
    for slot in service.api.get("/v1/slots")["items"]:
        service.api.call("DELETE", f"/v1/slots/{slot['id']}").ok(204)


@node
def test_node_first_pin(service: Service, tmp_path: Path) -> None:
    before = len(service.sandbox.titled("Lemon cake"))
    said = run(service, tmp_path, *javascript("first-pin.mjs"))
    *_, pin = service.sandbox.titled("Lemon cake")
    assert len(service.sandbox.titled("Lemon cake")) == before + 1
    assert said == f"published https://www.pinterest.com/pin/{pin['id']}/\n"


def test_python_batch(service: Service, tmp_path: Path) -> None:
    said = run(service, tmp_path, *python("batch.py"))
    assert said.count(" is due ") == 50
    found = service.api.get("/v1/uploads", q="Recipe", limit=1000)["items"]
    assert {upload["status"] for upload in found} == {"scheduled"}
    assert len(found) == 50


def test_python_errors(service: Service, tmp_path: Path) -> None:
    said = run(service, tmp_path, *python("errors.py"))
    assert said.startswith("/accounts/0 ")
    assert service.account["id"] in said


@node
def test_node_errors(service: Service, tmp_path: Path) -> None:
    said = run(service, tmp_path, *javascript("errors.mjs"))
    assert said.startswith("/accounts/0 ")
    assert service.account["id"] in said


def test_python_local(service: Service, tmp_path: Path) -> None:
    consent = ROOT / "tests" / "e2e" / "consent.py"
    said = run(service, tmp_path, *python("local.py"), BROWSER=f"{sys.executable} {consent} %s")
    assert said.startswith("https://www.pinterest.com/pin/")
    assert (tmp_path / "my-pins" / "multi-upload.db").is_file()


@curl
def test_curl_boards(service: Service, tmp_path: Path) -> None:
    said = run(service, tmp_path, "bash", "-eu", str(EXAMPLES / "curl" / "boards.sh"))
    ids = {board["id"] for board in json.loads(said)["items"]}
    assert {board["id"] for board in service.boards} < ids


@curl
def test_curl_first_pin(service: Service, tmp_path: Path) -> None:
    said = run(service, tmp_path, "bash", "-eu", str(EXAMPLES / "curl" / "first_pin.sh"))
    upload = json.loads(said)
    assert upload["status"] == "scheduled"
    assert upload["content"]["board_id"] == service.boards[0]["id"]


def test_every_example_is_run_here() -> None:
    own = Path(__file__).read_text()
    kinds = {"python": ".py", "node": ".mjs", "curl": ".sh"}
    names = {p.name for kind, end in kinds.items() for p in (EXAMPLES / kind).glob(f"*{end}")}
    assert len(names) >= 8
    missing = [name for name in names - DEMO if f'"{name}"' not in own]
    assert missing == []
