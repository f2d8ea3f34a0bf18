"""The API key of the user of an embedded service, in the file `token` of the data folder.

The command and the Python client on that machine read it from there. Only the user can read the file and the folder.
"""

import os
from pathlib import Path

from store import keys
from store.callers import DEFAULT_TENANT
from store.database import Database

MODE = 0o600
NAME = "user of this machine"


def ensure_token(database: Database, path: Path) -> None:
    """Leave a file with a valid key there: the one that it holds, or a new one. Several processes may do so at once."""
    with database.begin() as session:  # on SQLite the others wait
        caller = keys.find_caller(session, _read(path))
        if caller is not None and caller.may("admin"):
            path.chmod(MODE)
            return
        _, text = keys.create(session, tenant=DEFAULT_TENANT, name=NAME, scope="admin")
        _write(path, text)


def _read(path: Path) -> str:
    return path.read_text(encoding="ascii", errors="replace").strip() if path.is_file() else ""


def _write(path: Path, text: str) -> None:
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE), "w") as file:
        file.write(f"{text}\n")
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
