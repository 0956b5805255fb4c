"""A PostgreSQL of the tests' own, which is there as long as they are."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

# Run by the user that PostgreSQL runs as: it refuses to run as root. It ends with its input,
# however the tests end.
KEEPER = r"""
set -e
umask 077
PATH="$1:$PATH"
dir=$(mktemp -d /tmp/mu-pg-XXXXXX)
trap 'pg_ctl -D "$dir/data" -m immediate stop >/dev/null 2>&1 || true; rm -rf "$dir"' EXIT
initdb -D "$dir/data" -U nodes -A trust -E UTF8 --locale=C --no-sync >"$dir/initdb.log" 2>&1 \
  || { cat "$dir/initdb.log" >&2; exit 1; }
pg_ctl -D "$dir/data" -l "$dir/log" -w -o "-k $dir -c listen_addresses='' -c shared_buffers=64MB" \
  start >/dev/null 2>&1 || { cat "$dir/log" >&2; exit 1; }
echo "$dir"
cat >/dev/null
"""


def programs() -> str | None:
    """The folder with `initdb`, of the newest version."""
    installed = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    versions = [path.parent for path in installed if path.parts[-3].isdigit()]
    if versions:
        return str(max(versions, key=lambda folder: int(folder.parts[-2])))
    found = shutil.which("initdb")
    return str(Path(found).parent) if found else None


def command(folder: str) -> list[str]:
    """The keeper, as a user that may run PostgreSQL."""
    if os.getuid() != 0:
        return ["sh", "-c", KEEPER, "sh", folder]
    names = {user.pw_name for user in pwd.getpwall()}
    user = "postgres" if "postgres" in names else "nobody"
    script = 'exec sh -c "$0" sh "$1"'
    return ["su", "-s", "/bin/sh", user, "-c", script, KEEPER, folder]


@contextmanager
def database() -> Iterator[str]:
    """The URL of an empty database; without a PostgreSQL the test is skipped, or fails."""
    folder = programs()
    if folder is None:
        reason = "there is no PostgreSQL here (initdb was not found)"
        if os.environ.get("MULTI_UPLOAD_FORBID_SKIPS") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command(folder), stdin=pipe, stdout=pipe, cwd="/tmp", text=True
    ) as keeper:
        assert keeper.stdout is not None
        place = keeper.stdout.readline().strip()
        assert place, "PostgreSQL did not start"
        yield f"postgres://nodes@{place.replace('/', '%2F')}/postgres"
        assert keeper.stdin is not None
        keeper.stdin.close()
