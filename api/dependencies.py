"""FastAPI dependencies: the objects that `create_app` puts on the app, as typed parameters of routes."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy.orm import Session

from api.authentication import Authenticator, caller_of
from api.change_feed import ChangeFeed
from api.denials import Denials
from api.openid import OpenIdProvider
from api.telemetry import Telemetry
from store import audit
from store.callers import Caller
from store.database import Database
from store.settings import Settings


@dataclass(frozen=True)
class RequestDatabase(Database):
    """The database as one request uses it: the first transaction that writes also adds the request to the audit log.

    What is denied or rolled back adds nothing. `concerns` names what the request is about, where the path does not.
    """

    request: Request | None = None

    @contextmanager
    def begin(self) -> Iterator[Session]:
        """As Database.begin."""
        with super().begin() as session:
            yield session
            if self.request is not None and not hasattr(self.request.state, "audited"):
                audit.record(session, entry_of(self.request, caller_of(self.request)))
                self.request.state.audited = True

    def begin_unattributed(self) -> AbstractContextManager[Session]:
        """A writing transaction of a request without a caller, such as a sign-in, which records itself."""
        return super().begin()

    def concerns(self, target: str) -> None:
        """Say what the request is about, within the transaction."""
        if self.request is not None:
            self.request.state.target = target


def entry_of(request: Request, caller: Caller) -> audit.NewEntry:
    """The entry of the audit log for a request that did what it asked for."""
    target = getattr(request.state, "target", None) or next(iter(request.path_params.values()), "")
    return audit.NewEntry(
        tenant=caller.tenant,
        actor=caller.actor,
        action=request.scope["route"].name,
        target=str(target),
        outcome="done",
        client=request.client.host if request.client else "unknown",
        request_id=request.state.request_id,
    )


async def _database(request: Request) -> RequestDatabase:
    database: Database = request.app.state.database
    return RequestDatabase(database.engine, database.turn, database.objects, request)


async def _authenticator(request: Request) -> Authenticator:
    authenticator: Authenticator = request.app.state.authenticator
    return authenticator


async def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


async def _change_feed(request: Request) -> ChangeFeed:
    change_feed: ChangeFeed = request.app.state.change_feed
    return change_feed


async def _telemetry(request: Request) -> Telemetry:
    telemetry: Telemetry = request.app.state.telemetry
    return telemetry


async def _denials(request: Request) -> Denials:
    denials: Denials = request.app.state.denials
    return denials


async def _openid_provider(request: Request) -> OpenIdProvider:
    provider: OpenIdProvider = request.app.state.openid_provider
    return provider


DatabaseDep = Annotated[RequestDatabase, Depends(_database)]
CallerDep = Annotated[Caller, Depends(caller_of)]
OpenIdProviderDep = Annotated[OpenIdProvider, Depends(_openid_provider)]
DenialsDep = Annotated[Denials, Depends(_denials)]
AuthenticatorDep = Annotated[Authenticator, Depends(_authenticator)]
SettingsDep = Annotated[Settings, Depends(_settings)]
ChangeFeedDep = Annotated[ChangeFeed, Depends(_change_feed)]
TelemetryDep = Annotated[Telemetry, Depends(_telemetry)]
