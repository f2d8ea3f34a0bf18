"""The knobs of all methods: one small model in each file, found by listing this folder; `name` is the method."""

import importlib
import pkgutil

from core.spec.knobs.contract import Fidelity, Knobs, Need

__all__ = ["LISTED", "Fidelity", "Knobs", "Need"]


def _find(name: str) -> type[Knobs]:
    """`skd` is core/spec/knobs/skd.py's class SkdKnobs."""
    module = importlib.import_module(f"{__name__}.{name}")
    knobs: type[Knobs] = getattr(module, "".join(part.capitalize() for part in name.split("_")) + "Knobs")
    return knobs


LISTED: dict[str, type[Knobs]] = {
    module.name: _find(module.name)
    for module in sorted(pkgutil.iter_modules(__path__), key=lambda module: module.name)
    if module.name != "contract"
}
