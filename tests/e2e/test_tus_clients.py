"""The public tus clients work against the service unchanged."""

from __future__ import annotations

import json
import os
import subprocess
from hashlib import sha256
from pathlib import Path
from shutil import which

import pytest
from files import MIB, video
from support import ROOT, Service, clean_environment

FORBIDDEN = os.environ.get("MULTI_UPLOAD_FORBID_SKIPS") == "1"
SIZE = 5 * MIB + 11


def missing(what: str) -> None:
    """Skips the test, or fails where that is forbidden."""
    if FORBIDDEN:
        pytest.fail(what)
    pytest.skip(what)


def test_tuspy(service: Service, tmp_path: Path) -> None:
    try:
        from tusclient.client import TusClient
    except ImportError:
        missing("tuspy is not installed (tests/python/requirements.txt)")
    film = tmp_path / "film.mp4"
    expected = video(film, SIZE)
    client = TusClient(
        f"{service.api.url}/v1/media", headers={"Authorization": f"Bearer {service.api.key}"}
    )
    with film.open("rb") as stream:
        first = client.uploader(
            file_stream=stream,
            chunk_size=MIB,
            metadata={"filename": "film.mp4"},
            upload_checksum=True,
        )
        first.upload(stop_at=2 * MIB)
        assert first.offset == 2 * MIB
    # Another process goes on with its address.
    with film.open("rb") as stream:
        second = client.uploader(
            file_stream=stream, chunk_size=MIB, url=first.url, upload_checksum=True
        )
        assert second.offset == 2 * MIB
        second.upload()
    media = service.api.get(f"/v1/media/{first.url.rsplit('/', 1)[1]}")
    assert (media["status"], media["sha256"]) == ("ready", expected)


def test_tus_js_client(service: Service, tmp_path: Path) -> None:
    node = which("node")
    if node is None or not (ROOT / "node_modules" / "tus-js-client").is_dir():
        missing("node or tus-js-client is not installed (npm ci)")
    assert node is not None
    film = tmp_path / "film.mp4"
    expected = video(film, SIZE)
    done = subprocess.run(
        [node, str(ROOT / "tests" / "e2e" / "tus_client.mjs"), str(film)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=ROOT,
        env=clean_environment(
            MULTI_UPLOAD_URL=service.api.url, MULTI_UPLOAD_API_KEY=service.api.key or ""
        ),
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["resumedFrom"] == 2 * MIB
    media = service.api.get(f"/v1/media/{said['url'].rsplit('/', 1)[1]}")
    assert (media["status"], media["sha256"]) == ("ready", expected)
    assert media["sha256"] == sha256(film.read_bytes()).hexdigest()
