"""Serve the API and the dashboard: what `python -m api` does."""

import argparse
import asyncio
import resource
import signal
import socket
import sys
from types import FrameType

import uvicorn
from fastapi import FastAPI

from api.app import create_app
from api.guard import LOOPBACK_NAMES
from api.http_protocol import BoundedProtocol
from api.local_token import ensure_token
from store.data_folder import make_private
from store.database import Database, open_from
from store.logs import configure_logs
from store.settings import Settings
from store.tracing import close_traces, configure_traces

# A slow client must not hold up a shutdown; what is cut off here can be asked for again.
GRACEFUL_SECONDS = 5
# Beyond this many connections, those that send nothing are closed, and further requests get 503 at once.
MAX_CONNECTIONS = 4096
# File descriptors for all else: the database, files of the dashboard, requests to other servers.
OTHER_DESCRIPTORS = 256


class Server(uvicorn.Server):
    """uvicorn's server, which first lets those go who wait for a job to change."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the long polls and event streams, then the server."""
        app = self.config.app
        if isinstance(app, FastAPI):
            app.state.change_feed.close()
        await super().shutdown(sockets)


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM. Returns the exit status: 2 where the address is refused."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _leave)
    options = _parser().parse_args(arguments)
    settings = Settings.load()
    configure_logs(settings.log_format)
    configure_traces("retort-api")
    bound = socket.socket(fileno=options.fd) if options.fd is not None else None
    host = bound.getsockname()[0] if bound else options.host
    if not _is_loopback(host) and settings.authentication == "open":
        print(
            f"refused to serve on {host!r}: RETORT_AUTHENTICATION is open, so everybody who reaches the service may do "
            "everything, and it listens on loopback only. Set RETORT_AUTHENTICATION=keys.",
            file=sys.stderr,
        )
        return 2
    database = open_service(settings)
    server = Server(configure(create_app(settings, database), options.host, options.port))
    try:
        asyncio.run(server.serve(sockets=[bound] if bound else None))
    finally:
        close_traces()
    return 0


def open_service(settings: Settings) -> Database:
    """The database; where the service is embedded, in a folder and with an API key that only its user can read."""
    if settings.is_embedded:
        make_private(settings.data_dir)
    database = open_from(settings)
    if settings.token_file is not None:
        ensure_token(database, settings.token_file)
    return database


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m api", description="Serve Retort's API and dashboard.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=8000, help="0 picks a free one")
    parser.add_argument("--fd", type=int, help="file descriptor of a socket that listens already")
    return parser


def configure(app: FastAPI, host: str, port: int) -> uvicorn.Config:
    """How uvicorn serves the app."""
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        access_log=False,
        log_config=None,
        log_level="warning",
        server_header=False,
        proxy_headers=False,
        http=BoundedProtocol,
        ws="none",
        limit_concurrency=_most_connections(),
        timeout_graceful_shutdown=GRACEFUL_SECONDS,
    )


def _most_connections() -> int:
    """As many as there are file descriptors for: a server that has none left cannot open its database."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_CONNECTIONS + OTHER_DESCRIPTORS
    if soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return max(1, min(MAX_CONNECTIONS, soft - OTHER_DESCRIPTORS))


def _leave(number: int, frame: FrameType | None) -> None:
    """Being told to end is no failure. uvicorn raises the signal again once it has shut down, which lands here too."""
    raise SystemExit(0)


def _is_loopback(host: str) -> bool:
    return host in LOOPBACK_NAMES or host == "::1" or host.startswith("127.")
