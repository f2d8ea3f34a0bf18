"""The libraries of networks. Each is imported when it is first needed, because it takes half a second and 100 MB."""

import importlib
from types import ModuleType

_MODULES = {"torchvision": "core.networks.torchvision_zoo", "timm": "core.networks.timm_zoo"}


def library(prefix: str) -> ModuleType | None:
    """The module that builds the networks of this prefix; it has `names`, `is_known`, `make` and `classes`."""
    return importlib.import_module(_MODULES[prefix]) if prefix in _MODULES else None
