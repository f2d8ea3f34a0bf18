"""The works at which the loops are timed: which networks, which method, which images."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Work:
    """One teacher, one student, one method. The architectures are names of our zoo."""

    name: str
    method: Literal["kd", "simkd"]
    teacher: str
    student: str
    images: Literal["cifar", "jpeg"]
    image_size: int
    """Pixels that the networks see."""
    batch_size: int


WORKS = (
    Work("kd/32", "kd", "cifar/resnet32x4", "cifar/resnet8x4", "cifar", 32, 64),
    Work("simkd/32", "simkd", "cifar/resnet32x4", "cifar/resnet8x4", "cifar", 32, 64),
    Work("224/resnet18", "kd", "torchvision/resnet50", "torchvision/resnet18", "jpeg", 224, 16),
    Work("224/mobilenet_v3_small", "kd", "torchvision/resnet50", "torchvision/mobilenet_v3_small", "jpeg", 224, 16),
)
QUICK = ("kd/32", "simkd/32")


def find(name: str) -> Work:
    """The work of exactly this name; raises KeyError."""
    return {work.name: work for work in WORKS}[name]


def choose(wanted: Sequence[str]) -> tuple[Work, ...]:
    """The works of these names, in the order of the table; `224` takes all that begin with `224/`.

    Raises ValueError for a name that takes none.
    """
    for name in wanted:
        if not any(_takes(name, work) for work in WORKS):
            raise ValueError(f"no work is called {name!r}; there are {', '.join(work.name for work in WORKS)}")
    return tuple(work for work in WORKS if any(_takes(name, work) for name in wanted))


def _takes(name: str, work: Work) -> bool:
    return work.name == name or work.name.startswith(f"{name}/")
