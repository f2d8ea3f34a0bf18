"""Names of students that have a projector and their teachers' classifier (method simkd).

`cifar/resnet8x4+simkd-256x2`: resnet8x4 without its own classifier, a projector to 256 channels with reduction factor
2, and one linear classifier. `...+simkd-256x2+64x2` has two teachers' classifiers. After the numbers a part may have
`.at4` (the map is averaged to 4 x 4 before the projector), `.signed` (no ReLU at its end), and the layers between
pooling and classifier in order, such as `.linear1280.hardswish` or `.layernorm6` (epsilon 1e-6).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

MARK = "+simkd-"
MAX_TEACHERS = 9  # one and its eight `more_teachers`
MAX_DEPTH = 3  # a projected student may be the encoder of another
ACTIVATIONS = ("relu", "relu6", "gelu", "silu", "hardswish", "tanh")
_LAYER = rf"\.(?:linear[1-9]\d{{0,3}}|layernorm\d{{1,2}}|{'|'.join(sorted(ACTIVATIONS, reverse=True))})"
_PART = re.compile(
    rf"(?P<channels>[1-9]\d{{0,3}})x(?P<factor>[1-9]\d{{0,3}})(?:\.at(?P<side>[1-9]\d{{0,2}}))?(?P<signed>\.signed)?"
    rf"(?P<neck>(?:{_LAYER})*)"
)


@dataclass(frozen=True)
class Projection:
    """The layers between the student's map and one teacher's part of the classifier."""

    channels: int
    factor: int
    side: int | None = None
    """Height and width that the student's map is averaged to; None: as it is."""
    signed: bool = False
    """The teacher's features may be negative: no ReLU at the end."""
    neck: tuple[str, ...] = ()
    """The teacher's layers between pooling and its last one."""

    def __str__(self) -> str:
        side = f".at{self.side}" if self.side is not None else ""
        neck = "".join(f".{layer}" for layer in self.neck)
        return f"{self.channels}x{self.factor}{side}{'.signed' * self.signed}{neck}"


def name_projected(base: str, projections: Sequence[Projection]) -> str:
    """The name of the architecture; the inverse of `split_projected`."""
    return f"{base}{MARK}{'+'.join(str(projection) for projection in projections)}"


def split_projected(architecture: str) -> tuple[str, tuple[Projection, ...]]:
    """(name of the encoder's architecture, projections); the projections are () for a plain architecture.

    Raises ValueError for an invalid suffix, or one whose projector would have no channels inside.
    """
    base, mark, suffix = architecture.rpartition(MARK)
    if not mark:
        return architecture, ()
    parts = suffix.split("+")
    matches = [_PART.fullmatch(part) for part in parts]
    if not base or len(parts) > MAX_TEACHERS or not all(matches) or architecture.count(MARK) > MAX_DEPTH:
        raise ValueError(
            f"{architecture[:200]!r} is no architecture: after {MARK!r}, which may stand {MAX_DEPTH} times, come at "
            f"most {MAX_TEACHERS} parts such as 256x2, with + between them"
        )
    projections = tuple(_projection(match) for match in matches if match is not None)
    for projection in projections:
        if projection.factor > projection.channels:
            raise ValueError(f"{architecture!r}: a factor above {projection.channels} leaves the projector no channels")
    return base, projections


def _projection(match: re.Match[str]) -> Projection:
    return Projection(
        int(match["channels"]),
        int(match["factor"]),
        int(match["side"]) if match["side"] else None,
        bool(match["signed"]),
        tuple(layer for layer in match["neck"].split(".") if layer),
    )


def base_of(architecture: str) -> str:
    """The architecture of the innermost encoder, under the name of its library."""
    return architecture.partition("+")[0]
