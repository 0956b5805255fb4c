"""Type checkers see what `typed_usage.py` says."""

from __future__ import annotations

import subprocess
import sys

from conftest import ROOT


def test_the_package_is_typed() -> None:
    command = [sys.executable, "-m", "mypy", "--strict", "tests/python/typed_usage.py"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
