"""The repeated blocks of a network, of which deep networks consist between two changes of resolution."""

from core.networks.network import Network
from core.networks.taps import TapPoint


def blocks_of(network: Network, tap: str | int) -> tuple[TapPoint, ...]:
    """The repeated blocks whose maps are as large as a tap's and have as many channels, shallow to deep; the tap itself
    where no such block is repeated.

    Blocks are modules of one class that contain modules and are numbered under one parent. Of several such groups the
    outermost counts, and of several outermost ones the largest. Raises SpecInvalid for a tap that does not exist.
    """
    asked = network.tap(tap)
    families: dict[tuple[str, type], list[TapPoint]] = {}
    for path, point in network.points.items():
        part, unnumbered = network.module.get_submodule(path), path.rstrip("0123456789")
        alike = (point.channels, point.height) == (asked.channels, asked.height)
        if alike and any(part.children()) and unnumbered != path:
            families.setdefault((unnumbered, type(part)), []).append(point)
    repeated = [(path.count("."), family) for (path, _), family in families.items() if len(family) > 1]
    if not repeated:
        return (asked,)
    return tuple(min(repeated, key=lambda each: (each[0], -len(each[1])))[1])
