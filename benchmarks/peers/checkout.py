"""What the checkouts have in common: how they are imported, what they log to, and where their data lies."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from benchmarks.harness.foreign import accept_synthetic_images, set_up, stay_on_cpu
from benchmarks.harness.pacing import Channel, PacedLoader, Pacer
from benchmarks.harness.request import Request

NUM_WORKERS = "2"  # the fastest on two cores; the checkouts' own defaults are 8, 8 and 2
STUDENT = "resnet8x4"


class Silent:
    """Takes the place of a logger's class: whatever is called does nothing."""

    def __init__(self, *args: Any, **kwargs: Any) -> None: ...

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *args, **kwargs: None


def enter(request: Request, channel: Channel, silenced: dict[str, str]) -> Pacer:
    """Make the checkout importable and the scratch folder the current one; the pacer.

    `silenced`: the class of each module that only writes logs or reads other data, by module name. The checkouts import
    them unasked; where one is not installed, an empty one takes its place.
    """
    pacer, _ = set_up(request, channel)
    stay_on_cpu()
    accept_synthetic_images()
    for name, its_class in silenced.items():
        stand_in = ModuleType(name)
        setattr(stand_in, its_class, Silent)
        sys.modules[name] = stand_in
    sys.dont_write_bytecode = True  # the checkout stays as it is
    sys.path.insert(0, str(request.checkout))
    folder = Path(request.scratch) / request.variant / request.work_name
    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(folder)
    return pacer


def read_synthetic(request: Request, module: Any) -> None:
    """Let the checkout's CIFAR-100 module read the benchmark's images."""
    module.get_data_folder = lambda: str(request.inputs.cifar)


def paced(get_loaders: Callable[..., tuple[Any, ...]], pacer: Pacer) -> Callable[..., tuple[Any, ...]]:
    """`get_loaders`, with the first of its results, the training loader, paced."""

    def get(*args: Any, **kwargs: Any) -> tuple[Any, ...]:
        train, *others = get_loaders(*args, **kwargs)
        return (PacedLoader(train, pacer), *others)

    return get
