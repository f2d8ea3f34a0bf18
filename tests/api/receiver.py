"""A receiver of webhooks: a real HTTP server on loopback that verifies each message with the official library."""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError

Answer = tuple[int, dict[str, str]]


class Receiver:
    """`messages` holds (webhook-id, body) of each message whose signature fits the `secret`, in order of arrival;
    `answer` gives the status and headers for the number of requests so far."""

    def __init__(self, answer: Callable[[int], Answer] = lambda _: (204, {})) -> None:
        self.secret = ""
        self.messages: list[tuple[str, dict[str, Any]]] = []
        self.refused = 0
        self.requests = 0
        self.answer = answer
        self._lock = threading.Lock()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                size = int(self.headers["Content-Length"])
                body = self.rfile.read(size)
                if len(body) < size:  # its sender was killed meanwhile, and nobody reads an answer
                    return
                status, headers = receiver.take(dict(self.headers.items()), body)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/hook?x=1"

    def take(self, headers: dict[str, str], body: bytes) -> Answer:
        """Verify and keep a message; what to answer."""
        with self._lock:
            status, more = self.answer(self.requests)
            self.requests += 1
            try:
                Webhook(self.secret).verify(body, headers)
            except WebhookVerificationError:
                self.refused += 1
                return 401, {}
            if status < 300:
                sent = {name.lower(): value for name, value in headers.items()}
                self.messages.append((sent["webhook-id"], json.loads(body)))
            return status, more

    def close(self) -> None:
        """End the server."""
        self._server.shutdown()
        self._server.server_close()
