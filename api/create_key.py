"""`python -m api.create_key --name N [--scope S] [--tenant T]`: an API key past the API, such as the first one.

It needs the database, so only an operator of the service can run it. The key goes to standard output, and nothing else.
"""

import argparse

from api.schemas.access import NewKey
from store import audit, keys
from store.callers import DEFAULT_TENANT, SCOPES
from store.database import open_from
from store.settings import Settings


def main(arguments: list[str] | None = None) -> int:
    """Make a key and print it; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m api.create_key", description="Make an API key on the server.")
    parser.add_argument("--name", required=True, help="for people: whose it is, or what for")
    parser.add_argument("--scope", choices=SCOPES, default="admin")
    parser.add_argument("--tenant", default=DEFAULT_TENANT, help="whose jobs it sees and submits")
    options = parser.parse_args(arguments)
    try:
        wanted = NewKey(name=options.name, scope=options.scope, tenant=options.tenant)
    except ValueError as error:
        parser.error(str(error))
    database = open_from(Settings.load())
    with database.begin() as session:
        key, text = keys.create(session, tenant=wanted.tenant, name=wanted.name, scope=wanted.scope)
        audit.record(
            session,
            audit.NewEntry(
                tenant=key.tenant,
                actor="operator",
                action="create_key",
                target=key.id,
                outcome="done",
                client="server",
                request_id="",
            ),
        )
    database.close()
    print(text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
