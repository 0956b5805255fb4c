"""The scripted server that the shared cases are played against."""

from __future__ import annotations

import atexit
import functools
import json
import os
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SPEC = ROOT / "tests" / "spec"


class Kit:
    """The test kit (`tests/testkit`), started once and ended with pytest."""

    def __init__(self) -> None:
        built = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug"
        command = [str(built / "multi-upload-testkit"), "--spec", str(SPEC)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        atexit.register(self.stop)
        assert self.process.stdout is not None
        self.url: str = json.loads(self.process.stdout.readline())["url"]

    def stop(self) -> None:
        self.process.kill()
        self.process.communicate()

    def get(self, path: str) -> Any:
        return self._send(urllib.request.Request(self.url + path))

    def post(self, path: str, body: object) -> Any:
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), method="POST")
        request.add_header("content-type", "application/json")
        return self._send(request)

    @staticmethod
    def _send(request: urllib.request.Request) -> Any:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)


@functools.cache
def kit() -> Kit:
    return Kit()
