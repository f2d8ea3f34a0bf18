"""Whether the service is installed beside this client, which `retort up`, `retort settings` and the demo need."""

import importlib.util

from retort.errors import RetortError

# What `retort up` starts, and what tells that the libraries of the service's extra `embedded` are there.
MODULES = ("api.__main__", "worker.__main__", "migrations.__main__", "core.__main__", "store.settings")
LIBRARIES = ("alembic", "celery", "fastapi", "onnxruntime", "sqlalchemy", "torch", "uvicorn")
INSTALLATION = "in a checkout of Retort: `make setup`, or `pip install '.[embedded]'` into this environment"


class ServiceMissing(RetortError):
    """The service, or a library that it needs, is not installed beside the client."""


def require_service(purpose: str) -> None:
    """Raises ServiceMissing where the service cannot run in this environment; `purpose`: the command that needs it."""
    if missing := [name.partition(".")[0] for name in MODULES if not _found(name)]:
        raise ServiceMissing(
            f"{purpose} needs the service, and only the client is installed (missing: {', '.join(missing)})",
            hint=INSTALLATION,
        )
    if missing := [name for name in LIBRARIES if not _found(name)]:
        raise ServiceMissing(
            f"{purpose} needs libraries that are not installed: {', '.join(missing)}", hint=INSTALLATION
        )


def _found(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # its package is missing
        return False
