"""Schedules fifty pins and waits until Pinterest has them.

python examples/python/schedule_50_pins.py          against the sandbox: no account is needed
python examples/python/schedule_50_pins.py --real   against Pinterest, with PINTEREST_APP_ID and
                                                    PINTEREST_APP_SECRET set
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections import Counter
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from consent import allow

from multi_upload import Board, Client, MultiUploadError, Upload

COUNT = 50
FIRST_IN = timedelta(seconds=2)
SPREAD = timedelta(seconds=5)
IMAGES = Path(__file__).parents[1] / "images"

# What goes wrong at the sandbox during the demo; the engine has to cope with it. Its lists come in
# pages of 25, so that the 31 boards need two.
SWITCHES = {"longest_page": 25}
FAULTS = [
    {"match": {"method": "POST", "path": "/v5/oauth/token"}, "action": {"status": 500}},
    {"match": {"method": "GET", "path": "/v5/boards"}, "action": {"cut": {}}},
    {"match": {"method": "GET", "path": "/v5/boards", "nth": 2}, "action": {"status": 500}},
    {
        "match": {"method": "POST", "path": "/v5/pins", "nth": 10},
        "action": {"status": 429, "headers": {"x-ratelimit-reset": "1"}},
    },
    # The answer is lost: once after the pin was made, once before. Only a look at the board tells.
    {
        "match": {"method": "POST", "path": "/v5/pins", "body_contains": "Demo pin 20"},
        "when": "after",
        "action": {"cut": {}},
    },
    {
        "match": {"method": "POST", "path": "/v5/pins", "body_contains": "Demo pin 30"},
        "action": {"cut": {}},
    },
]


def main() -> int:
    if "--real" in sys.argv:
        missing = {"PINTEREST_APP_ID", "PINTEREST_APP_SECRET"} - set(os.environ)
        if missing:
            print(f"Set {' and '.join(sorted(missing))}: the keys of your own Pinterest app.")
            return 2
        with Client.local("multi-upload-data") as client:
            return schedule(client)
    folder = tempfile.TemporaryDirectory(prefix="multi-upload-demo-")
    with folder as data, Client.local(data, sandbox=True) as client:
        sandbox(client, "faults", {"faults": FAULTS, "switches": SWITCHES})
        return schedule(client)


def schedule(client: Client) -> int:
    simulated = client.sandbox_url is not None
    account = client.accounts.connect("pinterest", open_browser=allow if simulated else True)
    print(f"Connected {account.name} ({account.id})")

    boards = list(client.boards.list(account))
    own = [board for board in boards if board.owner == account.name]
    secret = [board.name for board in boards if board.privacy == "SECRET"]
    group = [board.name for board in boards if board.owner != account.name]
    print(f"{len(boards)} boards; secret: {', '.join(secret)}; group: {', '.join(group)}")

    files = sorted(path for path in IMAGES.iterdir() if path.suffix in {".jpg", ".png"})
    media = [client.media.upload(path) for path in files]
    print(f"{len(media)} images uploaded: {', '.join(path.name for path in files)}")

    start = datetime.now(timezone.utc) + FIRST_IN
    rows = [
        {
            "accounts": [account],
            "board_id": own[number % min(len(own), 10)],
            "media_id": media[number % len(media)],
            "title": f"Demo pin {number + 1:02} of {COUNT}",
            "link": f"https://example.com/products/{number + 1}",
            "scheduled_at": start + SPREAD * number / COUNT,
        }
        for number in range(COUNT)
    ]
    results = client.uploads.create_many(rows)
    for result in results:
        if result.error:
            print(f"Row {result.index} was refused: {result.error}")
    uploads = client.uploads.wait_many(
        [result.upload for result in results if result.upload],
        progress=progress_bar,
        timeout=120,
    )
    print_table(uploads, boards)
    return judge(client, rows, uploads)


def judge(client: Client, rows: list[dict[str, Any]], uploads: list[Upload]) -> int:
    """Compares what the engine says with what the sandbox has really seen."""
    for upload in uploads:
        if upload.status != "published":
            reason = upload.targets[0].error or "no reason given"
            print(f"{upload.content.title} is {upload.status}: {reason}")
    done = sum(upload.status == "published" for upload in uploads)
    if client.sandbox_url:
        pins = Counter(pin["title"] for pin in sandbox(client, "ledger")["pins"])
        for row in rows:
            if pins[row["title"]] != 1:
                print(f"{row['title']} exists {pins[row['title']]} times in the sandbox")
        done = min(done, sum(pins[row["title"]] == 1 for row in rows))
        struck = [count["struck"] > 0 for count in sandbox(client, "faults")["counters"]]
        print(f"{sum(struck)} of {len(struck)} faults struck on the way")
    print(f"{done} of {COUNT} pins published")
    return 0 if done == COUNT else 1


def sandbox(client: Client, what: str, script: dict[str, Any] | None = None) -> Any:
    """Reads the sandbox's ledger, or tells it what shall go wrong."""
    request = Request(f"{client.sandbox_url}/_sandbox/{what}")
    if script is not None:
        request.method = "PUT"
        request.data = json.dumps(script).encode()
        request.add_header("content-type", "application/json")
    with urlopen(request) as answer:
        return json.loads(answer.read() or "null")


def progress_bar(done: int, total: int) -> None:
    if sys.stdout.isatty():
        full = 40 * done // total
        end = "\n" if done == total else ""
        print(f"\r{'█' * full}{'░' * (40 - full)} {done}/{total} published", end=end, flush=True)
    elif done % 10 == 0 or done == total:
        print(f"{done}/{total} published", flush=True)


def print_table(uploads: list[Upload], boards: list[Board]) -> None:
    names = {board.id: board.name for board in boards}
    print(f"{'title':<18} {'board':<22} {'due':<9} {'published':<9} address")
    for upload in uploads:
        target = upload.targets[0]
        board = names.get(target.board_id or "", "?")
        due, published = clock(upload.scheduled_at), clock(target.published_at)
        address = target.remote_url or target.status
        print(f"{upload.content.title:<18} {board:<22} {due:<9} {published:<9} {address}")


def clock(time: datetime | None) -> str:
    return f"{time.astimezone():%H:%M:%S}" if time else "-"


if __name__ == "__main__":
    try:
        raise SystemExit(main())
    except MultiUploadError as error:
        raise SystemExit(f"The demo stopped. {error}") from None
