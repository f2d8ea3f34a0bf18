"""Decides which convolutions of a network are faster in 8-bit integers."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from torch import fx

from core.networks.quantized.graph import Group, as_node, groups, shape

# Multiply-adds for each value that must be converted to an integer in a pass of its own. At 160 the conversion takes as
# long as the integers save (one core of an AMD EPYC with AVX-512 VNNI).
MIN_OPERATIONS = 256
# Share of all convolutions' multiply-adds. With fewer in integers, the rest of the network dominates the time.
MIN_SHARE = 0.5


@dataclass(frozen=True)
class Plan:
    """Groups by their output value, and the values that must be converted to integers."""

    groups: dict[fx.Node, Group]
    integers: frozenset[fx.Node]


def plan(graph: fx.Graph) -> Plan | None:
    """The plan; None if integers would not be faster."""
    kept = [group for chain in _chains(list(groups(graph))) if _pays(chain) for group in chain]
    everything = sum(_operations(node) for node in graph.nodes if _is_convolution(node))
    if not kept or _total(kept) < MIN_SHARE * everything:
        return None
    return Plan({group.last: group for group in kept}, _operands(kept))


def _chains(found: list[Group]) -> list[list[Group]]:
    """Sets of groups that pass integers to each other or read the same value."""
    chain_of: dict[fx.Node, list[Group]] = {}
    for group in found:
        joined = [group]
        for value in (group.last, *group.operands):
            other = chain_of.get(value, [])
            joined += [each for each in other if each not in joined]
        for each in joined:
            chain_of.update(dict.fromkeys((each.last, *each.operands), joined))
    return list({id(chain): chain for chain in chain_of.values()}.values())


def _pays(chain: list[Group]) -> bool:
    given = {group.last for group in chain}
    made = sum(math.prod(shape(value)[1:]) for value in _operands(chain) - given)
    return _total(chain) >= MIN_OPERATIONS * made


def _operands(found: Iterable[Group]) -> frozenset[fx.Node]:
    return frozenset(operand for group in found for operand in group.operands)


def _total(found: Iterable[Group]) -> int:
    return sum(_operations(group.conv) for group in found)


def _is_convolution(node: fx.Node) -> bool:
    return node.op == "call_function" and "conv" in str(node.target) and len(shape(node)) == 4


def _operations(conv: fx.Node) -> int:
    """Multiply-adds for one image."""
    _, in_channels, height, width = shape(as_node(conv.args[1]))
    return math.prod(shape(conv)[1:]) * in_channels * height * width
