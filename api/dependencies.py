"""FastAPI dependencies: the objects that `create_app` puts on the app, as typed parameters of routes."""

from typing import Annotated

from fastapi import Depends, Request

from api.change_feed import ChangeFeed
from api.telemetry import Telemetry
from store.database import Database
from store.settings import Settings


async def _database(request: Request) -> Database:
    database: Database = request.app.state.database
    return database


async def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


async def _change_feed(request: Request) -> ChangeFeed:
    change_feed: ChangeFeed = request.app.state.change_feed
    return change_feed


async def _telemetry(request: Request) -> Telemetry:
    telemetry: Telemetry = request.app.state.telemetry
    return telemetry


DatabaseDep = Annotated[Database, Depends(_database)]
SettingsDep = Annotated[Settings, Depends(_settings)]
ChangeFeedDep = Annotated[ChangeFeed, Depends(_change_feed)]
TelemetryDep = Annotated[Telemetry, Depends(_telemetry)]
