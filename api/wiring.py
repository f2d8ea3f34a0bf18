"""What routes find in the app they belong to, as parameters of theirs."""

from typing import Annotated

from fastapi import Depends, Request

from api.telemetry import Telemetry
from api.watch import Watch
from store.database import Database
from store.settings import Settings


async def _database(request: Request) -> Database:
    return request.app.state.database


async def _settings(request: Request) -> Settings:
    return request.app.state.settings


async def _watch(request: Request) -> Watch:
    return request.app.state.watch


async def _telemetry(request: Request) -> Telemetry:
    return request.app.state.telemetry


TheDatabase = Annotated[Database, Depends(_database)]
TheSettings = Annotated[Settings, Depends(_settings)]
TheWatch = Annotated[Watch, Depends(_watch)]
TheTelemetry = Annotated[Telemetry, Depends(_telemetry)]
