"""The real binary, started and asked as a stranger would do it."""

from __future__ import annotations

import json
import os
import signal
import struct
import subprocess
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from http.client import HTTPConnection, HTTPMessage
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit

import consent
import pytest

if TYPE_CHECKING:
    from typing_extensions import Self

ROOT = Path(__file__).resolve().parents[2]
BINARY = ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "debug" / "multi-upload"

# A deadline, not a pause: what is waited for normally takes milliseconds.
PATIENCE = 30.0
TERMINAL = {"published", "partial", "failed", "canceled", "missed"}
PICTURE = "https://yourcdn.example/summer.jpg"


def clean_environment(**more: str) -> dict[str, str]:
    """The environment without settings of whoever runs the tests."""
    ours = ("MULTI_UPLOAD", "PINTEREST", "ACCOUNT", "BOARD", "BROWSER")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    # Nothing here goes through a proxy.
    kept = {name: value for name, value in kept.items() if not name.lower().endswith("_proxy")}
    return kept | more


def until(condition: Callable[[], Any], what: str, seconds: float = PATIENCE) -> Any:
    """Waits for something that is true, and gives it."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, f"not within {seconds:g} s: {what}"
        time.sleep(0.01)
    return found


def lacking(reason: str) -> None:
    """Skips what this machine cannot do; a failure where skips are forbidden."""
    if os.environ.get("MULTI_UPLOAD_FORBID_SKIPS") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


def in_seconds(seconds: float) -> str:
    """A time from now, as the API takes it."""
    moment = datetime.now(timezone.utc) + timedelta(seconds=seconds)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def moment(text: str) -> datetime:
    """A time of the API."""
    form = "%Y-%m-%dT%H:%M:%S.%f%z" if "." in text else "%Y-%m-%dT%H:%M:%S%z"
    return datetime.strptime(text, form)


def png(width: int = 64, height: int = 64, colour: tuple[int, int, int] = (200, 60, 40)) -> bytes:
    """A picture of one colour."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = (b"\0" + bytes(colour) * width) * height
    parts = [(b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(kind, data) for kind, data in parts)


@dataclass
class Answer:
    """An HTTP answer."""

    status: int
    headers: HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def ok(self, status: int = 200) -> Any:
        """The JSON of an answer that has to have this status."""
        assert self.status == status, f"{self.status}: {self.body.decode()}"
        return self.json if self.body else None


class Api:
    """Raw HTTP with a key."""

    def __init__(self, url: str, key: str | None = None) -> None:
        self.url = url
        self.key = key
        # How long an answer may take.
        self.patience = PATIENCE

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """One request. A body of bytes is sent as it is, anything else as JSON."""
        sent = {} if self.key is None else {"authorization": f"Bearer {self.key}"}
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            sent["content-type"] = "application/json"
        sent |= headers or {}
        base = urlsplit(self.url)
        connection = HTTPConnection(base.netloc, timeout=self.patience)
        try:
            connection.request(method, base.path + path, body, sent)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def get(self, path: str, **query: object) -> Any:
        return self.call("GET", path + ("?" + urlencode(query) if query else "")).ok()

    def post(self, path: str, body: Any, **headers: str) -> Answer:
        return self.call("POST", path, body, {n.replace("_", "-"): v for n, v in headers.items()})

    def create(self, **fields: Any) -> dict[str, Any]:
        """A stored upload."""
        return self.post("/v1/uploads", fields).ok(202)

    def wait(
        self,
        uploads: Iterable[dict[str, Any]],
        done: Callable[[dict[str, Any]], bool] | None = None,
        seconds: float = PATIENCE,
    ) -> list[dict[str, Any]]:
        """The uploads once all of them are done, by the change feed.

        Without `done`: once each has ended or only a person can say how it goes on.
        """
        done = done or is_settled
        ids = [upload["id"] for upload in uploads]
        cursor = self.get("/v1/changes")["cursor"]
        now = {id: self.get(f"/v1/uploads/{id}") for id in ids}
        end = time.monotonic() + seconds
        while waiting := [upload for upload in now.values() if not done(upload)]:
            left = end - time.monotonic()
            shown = json.dumps(waiting, indent=1)
            assert left > 0, f"not done within {seconds:g} s: {shown}"
            news = self.get("/v1/changes", since=cursor, wait=min(10, int(left) + 1))
            cursor = news["cursor"]
            now.update({u["id"]: u for u in news["uploads"] if u["id"] in now})
        return [now[id] for id in ids]

    def connect(self) -> dict[str, Any]:
        """The account after a person gave consent."""
        session = self.post("/v1/accounts/connect", {"platform": "pinterest"}).ok(201)
        consent.allow(session["authorize_url"])
        done = self.get(f"/v1/accounts/connect/{session['id']}")
        assert done["status"] == "connected", done
        return done["account"]

    def boards(self, account: str) -> list[dict[str, Any]]:
        return self.get(f"/v1/accounts/{quote(account, safe='')}/boards", limit=1000)["items"]


def is_settled(upload: dict[str, Any]) -> bool:
    """Nothing more happens by itself."""
    return all(t["status"] in TERMINAL | {"needs_review"} for t in upload["targets"])


def waits_for(code: str) -> Callable[[dict[str, Any]], bool]:
    """Whether the one target of an upload waits, with this reason."""

    def look(upload: dict[str, Any]) -> bool:
        [target] = upload["targets"]
        return target["status"] == "waiting" and target["error"]["code"] == code

    return look


class Sandbox:
    """What the fake network says and does; `url` is where it is mounted."""

    def __init__(self, url: str) -> None:
        self.api = Api(url)

    def ledger(self) -> dict[str, Any]:
        return self.api.get("/_sandbox/ledger")

    def titles(self) -> Counter[str]:
        """How often each title was pinned."""
        return Counter(pin["title"] for pin in self.ledger()["pins"])

    def titled(self, title: str) -> list[dict[str, Any]]:
        return [pin for pin in self.ledger()["pins"] if pin["title"] == title]

    def count(self, request: str) -> int:
        """How often it was asked, for example ``POST /v5/pins``."""
        return self.ledger()["requests"].get(request, 0)

    def in_flight(self) -> int:
        """Pins that are being made at this moment."""
        pins = [r for r in self.ledger()["log"] if (r["method"], r["path"]) == ("POST", "/v5/pins")]
        # One whose answer was taken away has no status either, but the fault that took it.
        return sum(r["status"] is None and r["fault"] is None for r in pins)

    def faults(self, *faults: dict[str, Any]) -> None:
        self.api.call("PUT", "/_sandbox/faults", {"faults": list(faults)}).ok()

    def struck(self) -> list[int]:
        """How often each fault of the script has struck."""
        return [counter["struck"] for counter in self.api.get("/_sandbox/faults")["counters"]]

    def clear(self) -> None:
        self.api.call("DELETE", "/_sandbox/faults").ok(204)


def fault(method: str, path: str, when: str = "before", **action: Any) -> dict[str, Any]:
    """A fault of the sandbox's script; `nth`, `count` and `body_contains` say which requests."""
    names = ("nth", "count", "body_contains")
    match = {name: action.pop(name) for name in names if name in action}
    return {"match": {"method": method, "path": path} | match, "when": when, "action": action}


class Program:
    """A long-running command of the binary. It is killed with its test at the latest."""

    def __init__(self, folder: Path, *args: str, env: dict[str, str] | None = None) -> None:
        self.args = args
        self.env = clean_environment(**(env or {}))
        self.out = folder / f"{args[0]}.out"
        self.log = folder / f"{args[0]}.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.ready: dict[str, Any] = {}

    def spawn(self, *options: str) -> None:
        """Starts it; what it prints goes to files."""
        assert self.process is None, "it runs already"
        with self.out.open("wb") as out, self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [BINARY, *options, *self.args],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=log,
                env=self.env,
            )

    def printed(self, text: str) -> str:
        """What it has printed, once this is part of it."""

        def look() -> str | None:
            assert self.process is not None
            code, said = self.process.poll(), self.out.read_text()
            if text in said and said.endswith("\n"):
                return said
            assert code is None, f"{self.args} ended with {code}: {self.log.read_text()}"
            return None

        return until(look, f"{self.args} prints {text!r}")

    def start(self) -> dict[str, Any]:
        """What it says about itself once it is ready."""
        self.spawn("--json")
        self.ready = json.loads(self.printed('"event":"ready"'))
        return self.ready

    def signal(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def ended(self, seconds: float = PATIENCE) -> int:
        """Its exit code; negative for the signal that killed it."""
        assert self.process is not None
        code = self.process.wait(seconds)
        self.process = None
        return code

    def kill(self) -> None:
        """As a power loss would."""
        self.signal(signal.SIGKILL)
        assert self.ended() == -signal.SIGKILL

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None:
            self.process.kill()
            self.ended()


class Service(Program):
    """`multi-upload serve` on a free port, with a data folder that outlives it."""

    def __init__(self, folder: Path, *args: str, env: dict[str, str] | None = None) -> None:
        self.data = folder / "data"
        listen = ("--listen", "127.0.0.1:0", "--data", str(self.data))
        super().__init__(folder, "serve", *listen, *args, env=env)
        self.api = Api("")
        self.account: dict[str, Any] = {}
        self.boards: list[dict[str, Any]] = []

    def start(self) -> dict[str, Any]:
        ready = super().start()
        self.api.url = ready["url"]
        if ready["admin_key"]:
            self.api.key = ready["admin_key"]["key"]
        return ready

    @property
    def sandbox(self) -> Sandbox:
        """The one of `--sandbox`."""
        return Sandbox(self.ready["sandbox_url"])

    def connect(self) -> None:
        """With an account and its own boards."""
        self.account = self.api.connect()
        name = self.account["name"]
        self.boards = [b for b in self.api.boards(self.account["id"]) if b["owner"] == name]

    def pin(self, title: str, board: int = 0, **more: Any) -> dict[str, Any]:
        """The fields of an upload that is good."""
        return {
            "accounts": [self.account["id"]],
            "image_url": PICTURE,
            "title": title,
            "board_id": self.boards[board]["id"],
        } | more

    def command(self, *args: str, env: dict[str, str] | None = None) -> list[Any]:
        """The lines that another command of the binary prints as JSON."""
        done = run("--json", *args, env=env)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]


def run(*args: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """A command of the binary, to its end."""
    return subprocess.run(
        [BINARY, *args],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env=clean_environment(**(env or {})),
        check=False,
    )
