"""The methods, found by listing this folder: a file that defines a Method named after it is one, and nothing else need
be told. What several methods are made of is in the folder `parts`.
"""

import importlib
import pkgutil

from core.errors import SpecInvalid, unknown
from core.methods.method import Method

_CONTRACT = {"contract", "method"}


def names() -> list[str]:
    """All methods by name, sorted."""
    files = [module.name for module in pkgutil.iter_modules(__path__) if not module.ispkg]
    return sorted(name for name in files if name not in _CONTRACT)


def find(name: str) -> type[Method]:
    """The Method class of a name: `skd` is core/methods/skd.py's class Skd."""
    if name not in names():
        raise SpecInvalid([("/method/name", unknown("method", name, names()))])
    module = importlib.import_module(f"{__name__}.{name}")
    method: type[Method] = getattr(module, "".join(part.capitalize() for part in name.split("_")))
    return method
