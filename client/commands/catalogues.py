"""`retort methods | students | teachers`: what may be asked for."""

from typing import Any

from client import screen
from client.commands.options import DEFAULT, AsJson, Url, connect


def methods(url: Url = DEFAULT, as_json: AsJson = False) -> None:
    """List the methods and their knobs."""
    with connect(url) as retort:
        entries = retort.methods()
    if as_json:
        screen.machine(entries)
        return
    screen.table(["method", "what it does", "knobs"], [_method(entry) for entry in entries])


def students(url: Url = DEFAULT, as_json: AsJson = False) -> None:
    """List the student sizes with their parameters and multiply-accumulates."""
    with connect(url) as retort:
        entries = retort.students()
    _list(entries, as_json)


def teachers(url: Url = DEFAULT, as_json: AsJson = False) -> None:
    """List the teachers known by name."""
    with connect(url) as retort:
        entries = retort.teachers()
    _list(entries, as_json)


def _method(entry: dict[str, Any]) -> tuple[str, str, str]:
    knobs = entry["knobs"].get("properties", {})
    return entry["name"], entry["summary"], ", ".join(name for name in knobs if name != "name")


def _list(entries: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        screen.machine(entries)
        return
    flat = [{key: value for key, value in entry.items() if not isinstance(value, dict)} for entry in entries]
    columns = list(dict.fromkeys(key for entry in flat for key in entry))
    screen.table(columns, [[entry.get(column) for column in columns] for entry in entries])
