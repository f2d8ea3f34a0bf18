"""/v1/garbage: what nobody needs any more, for those who have the scope admin."""

from fastapi import APIRouter

from api.dependencies import DatabaseDep, SettingsDep
from api.examples import GARBAGE_LIST
from api.openapi import EVERYWHERE, problems, success
from api.schemas.garbage import GarbageList, GarbageView
from store import growth, retention

router = APIRouter(tags=["operations"])


@router.get("/v1/garbage", responses={200: success("By place and kind", GARBAGE_LIST), **problems(*EVERYWHERE)})
def list_garbage(database: DatabaseDep, settings: SettingsDep) -> GarbageList:
    """List what the next sweep removes, and what sweeps removed; removes nothing.

    The database is asked now. What workers have in their folders is as they last told.
    """
    with database.read() as session:
        known = {(one.place, one.kind): one for one in growth.figures(session)}
        due = retention.due(session, retention.rules(settings))
    found = []
    for one in due:
        told = known.pop((growth.DATABASE, one.kind), growth.Figures(one.kind, one.reason))
        view = GarbageView.model_validate(told)
        found.append(view.model_copy(update={"due_count": one.due_count, "due_bytes": one.due_bytes}))
    of_workers = [one for one in known.values() if one.place != growth.DATABASE]
    return GarbageList(data=[*found, *map(GarbageView.model_validate, of_workers)])


@router.delete("/v1/garbage", responses={200: success("By place and kind", GARBAGE_LIST), **problems(*EVERYWHERE)})
def remove_garbage(database: DatabaseDep, settings: SettingsDep) -> GarbageList:
    """Sweep the database now, as workers do from time to time. Their own folders they sweep themselves."""
    swept = retention.sweep(database, retention.rules(settings))
    with database.begin() as session:
        growth.publish(session, growth.DATABASE, swept)
        told = growth.figures(session)
    return GarbageList(data=[GarbageView.model_validate(one) for one in told])
