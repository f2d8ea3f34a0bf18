"""The libraries of networks: each is imported when a name asks for it, for they take half a second and 100 MB."""

import importlib
from types import ModuleType

_MODULES = {"torchvision": "core.networks.torchvision_zoo", "timm": "core.networks.timm_zoo"}


def library(prefix: str) -> ModuleType | None:
    """What makes the networks of this prefix: a module with `names`, `is_known`, `make` and `classes`."""
    return importlib.import_module(_MODULES[prefix]) if prefix in _MODULES else None
