"""Two small servers: one that answers with what it was sent, one that never answers."""

from __future__ import annotations

import json
import socket
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


def upload(content: dict[str, Any]) -> dict[str, Any]:
    times = dict.fromkeys(("scheduled_at", "created_at", "updated_at"), "2026-12-01T20:00:00Z")
    content = {"accounts": [], **content}
    fixed = {"id": "up_1", "status": "scheduled", "version": 1, "targets": []}
    return {**fixed, **times, "content": content}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Echo

    def do_GET(self) -> None:
        self.reply(upload({"title": self.path}))

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.before_answer(body)
        if "uploads" in body:
            rows = enumerate(body["uploads"])
            self.reply({"results": [{"index": i, "upload": upload(row)} for i, row in rows]})
        else:
            self.reply(upload(body))

    do_PATCH = do_POST

    def reply(self, body: object) -> None:
        payload = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, format: str, *args: object) -> None:
        pass


class Echo(ThreadingHTTPServer):
    """Answers uploads with their own content and batches with their rows."""

    daemon_threads = True

    def __init__(self, before_answer: Callable[[Any], object] = lambda body: None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.before_answer = before_answer
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.thread = threading.Thread(target=self.serve_forever, daemon=True)
        self.thread.start()

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that leave in the middle are what some tests are about."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]

    def __exit__(self, *exception: object) -> None:
        self.shutdown()
        self.thread.join()
        self.server_close()


class Silent:
    """Reads requests and never answers."""

    def __init__(self) -> None:
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.listening.settimeout(30)
        self.url = f"http://127.0.0.1:{self.listening.getsockname()[1]}"
        self.open: list[socket.socket] = []

    def __enter__(self) -> Silent:
        return self

    def __exit__(self, *exception: object) -> None:
        for connection in [*self.open, self.listening]:
            connection.close()

    def request(self) -> socket.socket:
        """The next connection, once its request has begun to arrive."""
        connection, _ = self.listening.accept()
        self.open.append(connection)
        connection.settimeout(30)
        assert connection.recv(65536)
        return connection

    @staticmethod
    def ended(connection: socket.socket) -> bool:
        """Waits until the client has gone."""
        try:
            while connection.recv(65536):
                pass
        except ConnectionResetError:
            pass
        return True
