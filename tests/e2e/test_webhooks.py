"""Webhooks from outside: a receiver of our own, signatures checked by the public package."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook
from support import Program, Sandbox, Service, until

from multi_upload import verify_webhook


class Receiver:
    """Takes webhooks; `fail` refuses so many first."""

    def __init__(self, fail: int = 0) -> None:
        self.seen: list[tuple[dict[str, str], bytes]] = []
        self.fail = fail
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if receiver.fail:
                    receiver.fail -= 1
                    self.send_response(500)
                else:
                    receiver.seen.append(({n.lower(): v for n, v in self.headers.items()}, body))
                    self.send_response(204)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in list(self.seen)]

    def told(self, kind: str) -> set[str]:
        """Ids of the uploads it was told of."""
        return {e["data"]["upload"]["id"] for e in self.events() if e["type"] == kind}


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """A service that takes a fake network for the real one, and may call this machine."""
    with Program(tmp_path, "sandbox", "--listen", "127.0.0.1:0") as program:
        network = Sandbox(program.ready["url"])
        settings = {
            "MULTI_UPLOAD_PINTEREST_API_URL": f"{network.api.url}/v5",
            "MULTI_UPLOAD_PINTEREST_AUTHORIZE_URL": f"{network.api.url}/oauth/",
            "PINTEREST_APP_ID": "4711",
            "PINTEREST_APP_SECRET": "a secret",
            "MULTI_UPLOAD_QUIET_PERIOD": "4s",
            "MULTI_UPLOAD_ALLOW_PRIVATE_URLS": "1",
        }
        with Service(tmp_path, env=settings) as service:
            service.connect()
            yield service


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    one = Receiver()
    yield one
    one.close()


def endpoint(service: Service, url: str, **fields: Any) -> tuple[str, str]:
    made = service.api.post("/v1/webhooks", {"url": url, **fields}).ok(201)
    return made["webhook"]["id"], made["secret"]


def dead_address() -> str:
    """Nobody listens there."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{one.getsockname()[1]}/"


def test_a_pin_is_told_signed_and_in_order_beside_dead_receivers(
    service: Service, receiver: Receiver
) -> None:
    dead = [endpoint(service, dead_address())[0] for _ in range(20)]
    _, secret = endpoint(service, receiver.url)
    uploads = service.api.wait(
        [service.api.create(**service.pin(f"Told {number}")) for number in range(5)]
    )
    ids = {upload["id"] for upload in uploads}
    until(lambda: receiver.told("upload.published") >= ids, "every upload is told of")
    for headers, body in list(receiver.seen):
        assert Webhook(secret).verify(body, headers)
        assert verify_webhook(body, headers, secret)
        assert len(body) < 20_000
    for one in ids:
        kinds = [e["type"] for e in receiver.events() if e["data"]["upload"]["id"] == one]
        assert kinds == ["upload.scheduled", "target.published", "upload.published"]
    for one in dead:
        log = service.api.get(f"/v1/webhooks/{one}/deliveries")["items"]
        assert log
        assert {delivery["status"] for delivery in log} == {"pending"}
        service.api.call("DELETE", f"/v1/webhooks/{one}").ok(204)


def test_a_killed_service_loses_no_event(service: Service, receiver: Receiver) -> None:
    _, secret = endpoint(service, receiver.url)
    ids: set[str] = set()
    for number in range(3):
        made = [service.api.create(**service.pin(f"Kill {number}.{n}", board=n)) for n in range(10)]
        ours = {upload["id"] for upload in made}
        ids |= ours
        # In the middle of deliveries: some have arrived, most have not.
        until(lambda ours=ours: receiver.told("upload.scheduled") & ours, "something arrives")
        service.kill()
        service.start()
    until(lambda: receiver.told("upload.published") >= ids, "every upload is told of", 120)
    assert receiver.told("upload.scheduled") >= ids
    by_id: dict[str, set[bytes]] = {}
    for headers, body in list(receiver.seen):
        assert Webhook(secret).verify(body, headers)
        by_id.setdefault(headers["webhook-id"], set()).add(body)
    # Told again under the same id, with the same words.
    assert all(len(bodies) == 1 for bodies in by_id.values())
    assert len(by_id) == 3 * len(ids)


def test_a_private_address_is_refused(tmp_path: Path) -> None:
    with Service(tmp_path) as strict:
        for url in ("http://127.0.0.1/", "http://2130706433/", "http://[::ffff:7f00:1]/"):
            answer = strict.api.post("/v1/webhooks", {"url": url})
            assert answer.status == 422
            assert answer.json["code"] == "URL_NOT_ALLOWED"
