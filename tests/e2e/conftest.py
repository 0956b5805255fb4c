"""A service with a connected account for the tests of a file; the network is without faults at
the start of each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support import BINARY, Service


def pytest_sessionstart() -> None:
    if not BINARY.is_file():
        pytest.exit(f"{BINARY} is missing; `make test-e2e` builds it", returncode=1)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One service with its own sandbox for all tests of a file, with a connected account."""
    with Service(tmp_path_factory.mktemp("service"), "--sandbox") as service:
        service.connect()
        yield service


@pytest.fixture
def service(shared: Service) -> Service:
    """The shared service, its network without faults."""
    shared.sandbox.clear()
    return shared
