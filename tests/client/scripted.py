"""A real HTTP server on loopback whose answers a test writes down, for what a healthy service never does."""

import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Answer:
    """`cut`: the connection is broken after so many bytes of the body; `cut` 0: before the status line."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None


class Scripted:
    """A server that gives the answers of `script` one by one, then the last again, and remembers what it was asked."""

    def __init__(self) -> None:
        self.script: list[Answer | Callable[[Request], Answer]] = []
        self.requests: list[Request] = []
        self._turn = threading.Lock()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _serve(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                headers = {name.lower(): value for name, value in self.headers.items()}
                request = Request(self.command, self.path, headers, self.rfile.read(length))
                self._send(server.answer(request))

            do_GET = do_POST = do_DELETE = _serve

            def _send(self, answer: Answer) -> None:
                if answer.cut != 0:
                    self.send_response(answer.status)
                    for name, value in answer.headers.items():
                        self.send_header(name, value)
                    if answer.status not in (204, 304):
                        self.send_header("Content-Length", str(len(answer.body)))
                    self.end_headers()
                    if answer.status not in (204, 304):
                        self.wfile.write(answer.body[: answer.cut])
                if answer.cut is not None:
                    self.wfile.flush()
                    self.connection.shutdown(socket.SHUT_RDWR)
                    self.close_connection = True

            def log_message(self, *_: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def answer(self, request: Request) -> Answer:
        with self._turn:
            self.requests.append(request)
            step = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        return step(request) if callable(step) else step

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
