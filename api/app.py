"""Builds the API in one function. Importing this module imports neither torch nor Celery nor the worker."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import anyio.to_thread
from fastapi import Depends, FastAPI

from api import errors, openapi
from api.access import Access
from api.authentication import Authenticator
from api.authorization import Authorization
from api.change_feed import ChangeFeed
from api.denials import Denials
from api.guard import Guard
from api.head import Head
from api.openid import OpenIdProvider
from api.ownership import check_owner
from api.routes import (
    actions,
    artifacts,
    audit,
    catalogues,
    changes,
    dashboard,
    datasets,
    events,
    garbage,
    jobs,
    keys,
    logs,
    metrics,
    operations,
    plans,
    secrets,
    session,
    sign_in,
    webhooks,
)
from api.telemetry import Telemetry
from api.webhook_sender import WebhookSender
from api.webhook_url import limits_of
from store.database import Database, open_from
from store.sealing import Sealer
from store.settings import Settings

# As many as the database has connections: more would only wait for one.
THREADS = 20
# The order matters: /v1/jobs/plan before /v1/jobs/{job_id}.
ROUTERS = (
    plans.router,
    jobs.router,
    actions.router,
    changes.router,
    metrics.router,
    events.router,
    logs.router,
    artifacts.router,
    datasets.router,
    catalogues.router,
    webhooks.router,
    operations.router,
    secrets.router,
    keys.router,
    audit.router,
    garbage.router,
    session.router,
    sign_in.router,
    dashboard.router,
)


def create_app(settings: Settings, database: Database, *, quiet: bool = False) -> FastAPI:
    """The API on a database; `quiet` leaves out the access log."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
        limits = limits_of(settings.private_addresses, settings.download_ports)
        get_sealer = partial(Sealer.of, settings.sealing_keys, settings.data_dir)
        sender = WebhookSender(database, get_sealer, limits, tried=app.state.telemetry.webhook_tried)
        sender.start()
        yield
        await anyio.to_thread.run_sync(sender.close)
        app.state.change_feed.close()

    app = FastAPI(
        title="Retort",
        version=_version(),
        lifespan=lifespan,
        docs_url=None,  # their pages come from a CDN
        redoc_url=None,
        generate_unique_id_function=lambda route: route.name,
        redirect_slashes=False,
        dependencies=[Depends(check_owner)],
    )
    _set_state(app, settings, database)
    for router in ROUTERS:
        app.include_router(router)
    app.mount("/web", dashboard.files, name="web")
    errors.install(app)
    app.openapi = lambda: openapi.document(app)  # type: ignore[method-assign]
    _add_middleware(app, quiet=quiet)
    return app


def _set_state(app: FastAPI, settings: Settings, database: Database) -> None:
    """What api.dependencies gives to the routes."""
    app.state.settings = settings
    app.state.database = database
    app.state.owned_jobs = set()
    app.state.change_feed = ChangeFeed(database)
    app.state.telemetry = Telemetry()
    app.state.authenticator = Authenticator(database)
    app.state.denials = Denials(database)
    app.state.openid_provider = OpenIdProvider(settings)


def _add_middleware(app: FastAPI, *, quiet: bool) -> None:
    """The last added is the outermost."""
    state = app.state
    app.add_middleware(Head)
    app.add_middleware(Authorization, settings=state.settings, authenticator=state.authenticator, denials=state.denials)
    app.add_middleware(Guard, allowed_hosts=state.settings.allowed_hosts)
    app.add_middleware(Access, telemetry=state.telemetry, quiet=quiet)


def _version() -> str:
    try:
        return version("retort-service")
    except PackageNotFoundError:
        return "0"


def __getattr__(name: str) -> Any:
    """`app`, made when asked for: what `uvicorn api.app:app` serves."""
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    settings = Settings.load()
    return create_app(settings, open_from(settings))
