"""One engine, two homes: in this process and behind HTTP the package does the same."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.request import urlopen

import pytest
from consent import allow
from support import ROOT, Service

# `make test-e2e` names it in PYTHONPATH too; by hand the tree's own package is meant.
sys.path.insert(0, str(ROOT / "bindings-python" / "python"))
from multi_upload import Client, ConflictError, NotFoundError, ValidationError

PICTURE = "https://example.com/picture.jpg"
IMAGE = ROOT / "examples" / "images" / "fern.png"


class Home:
    """A client, the account it uses, and where the network keeps its ledger."""

    def __init__(self, client: Client, network: str) -> None:
        self.client = client
        self.network = network
        self.account = client.accounts.connect("pinterest", open_browser=allow)
        self.board = next(client.boards.list(self.account, privacy="PUBLIC"))

    def create(self, title: str, **more: Any) -> Any:
        fields: dict[str, Any] = {"image_url": PICTURE, "board_id": self.board} | more
        return self.client.uploads.create(accounts=[self.account], title=title, **fields)

    def titles(self) -> list[str]:
        with urlopen(f"{self.network}/_sandbox/ledger") as answer:
            return [pin["title"] for pin in json.load(answer)["pins"]]


@pytest.fixture(scope="module", params=["in-process", "http"])
def home(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Home]:
    folder = tmp_path_factory.mktemp("home")
    with ExitStack() as stack:
        if request.param == "in-process":
            client = stack.enter_context(Client.local(folder, sandbox=True))
            yield Home(client, str(client.sandbox_url))
        else:
            service = stack.enter_context(Service(folder, "--sandbox"))
            client = stack.enter_context(Client(service.api.url, service.api.key))
            yield Home(client, service.ready["sandbox_url"])


def later(hours: int = 24) -> datetime:
    return datetime.now(timezone.utc).replace(microsecond=0) + timedelta(hours=hours)


def test_a_file_is_published_once(home: Home) -> None:
    media = home.client.media.upload(IMAGE)
    assert (media.status, media.content_type) == ("ready", "image/png")
    upload = home.client.uploads.wait(
        home.create("A file", image_url=None, media_id=media), timeout=60
    )
    assert upload.status == "published"
    assert home.titles().count("A file") == 1
    kinds = [event.kind for event in home.client.uploads.events(upload)]
    assert kinds == ["upload.scheduled", "target.armed", "target.published"]


def test_an_upload_is_listed_changed_and_canceled(home: Home) -> None:
    due = later()
    upload = home.create("Before", scheduled_at=due, external_id="row 7")
    assert (upload.status, upload.scheduled_at) == ("scheduled", due)
    changed = home.client.uploads.update(upload, version=upload.version, title="After")
    assert (changed.content.title, changed.version) == ("After", upload.version + 1)
    with pytest.raises(ConflictError, match="VERSION_CONFLICT"):
        home.client.uploads.update(upload, version=upload.version, title="Too late")
    assert [found.id for found in home.client.uploads.list(external_id="row 7")] == [upload.id]
    assert home.client.uploads.cancel(upload).status == "canceled"
    assert "After" not in home.titles()


def test_a_batch_is_safe_to_run_twice(home: Home) -> None:
    good = {"accounts": [home.account], "board_id": home.board, "image_url": PICTURE}
    rows = [
        good | {"title": f"Row {n}", "scheduled_at": later(), "idempotency_key": f"row-{n}"}
        for n in range(3)
    ]
    rows[1]["title"] = "x" * 101
    first, second = (home.client.uploads.create_many(rows) for _ in range(2))
    assert [result.error is None for result in first] == [True, False, True]
    assert first[1].error.errors[0].pointer == "/title"
    assert [bool(result.replayed) for result in second] == [True, False, True]
    assert [r.upload.id for r in second if r.upload] == [r.upload.id for r in first if r.upload]


def test_errors_carry_the_same_fields(home: Home) -> None:
    with pytest.raises(ValidationError) as refused:
        home.create("No board", board_id=None)
    error = refused.value
    assert (error.code, error.status, error.retry) == ("VALIDATION_FAILED", 422, "no")
    assert [field.pointer for field in error.errors] == ["/board_id"]
    assert home.board.name in error.errors[0].detail
    assert error.request_id
    with pytest.raises(NotFoundError) as missing:
        home.client.uploads.get("up_0")
    assert missing.value.instance == "/v1/uploads/up_0"


def test_boards_are_made_and_listed(home: Home) -> None:
    name = "Made here"
    made = home.client.boards.create(home.account, name=name, privacy="SECRET")
    listed = {b.id: b for b in home.client.boards.list(home.account, refresh=True)}
    assert listed[made.id].privacy == "SECRET"
    section = home.client.boards.create_section(home.account, made, name="Autumn")
    assert [s.id for s in home.client.boards.sections(home.account, made)] == [section.id]


def test_a_change_is_seen_while_it_happens(home: Home) -> None:
    upload = home.create("Watched", scheduled_at=datetime.now(timezone.utc) + timedelta(seconds=1))
    seen = [changed.status for changed in home.client.uploads.watch([upload])]
    assert seen[0] in {"scheduled", "publishing"}
    assert seen[-1] == "published"
    assert home.titles().count("Watched") == 1
