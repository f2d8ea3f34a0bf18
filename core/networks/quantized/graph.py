"""The features of a network as a graph of operations, and the convolutions in it that can use 8-bit integers.

A convolution is computed together with the operations that only it feeds: the addition of a shortcut, and a ReLU.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, fx, nn

from core.networks.network import Network
from core.networks.taps import TapPoint

aten = torch.ops.aten
# Inputs with fewer channels, such as images, leave most of a vector register empty, and coarse steps harm them most.
MIN_CHANNELS = 16


@dataclass(frozen=True)
class Group:
    """A convolution and the operations that are computed together with it; `last` is the value that others read."""

    conv: fx.Node
    last: fx.Node
    shortcut: fx.Node | None = None
    has_relu: bool = False

    @property
    def source(self) -> fx.Node:
        """The input of the convolution."""
        return as_node(self.conv.args[0])

    @property
    def operands(self) -> tuple[fx.Node, ...]:
        """The inputs that must be 8-bit integers."""
        return (self.source, self.shortcut) if self.shortcut is not None else (self.source,)

    @property
    def inner(self) -> tuple[fx.Node, ...]:
        """The intermediate values, which no operation outside the group reads."""
        inner: list[fx.Node] = []
        node = self.conv
        while node is not self.last:
            inner.append(node)
            (node,) = node.users
        return tuple(inner)


class Observed(nn.Module):
    """A network as (N, 3, V, V) pixels -> (logits, pooled, *maps at the points)."""

    def __init__(self, network: Network, points: Sequence[TapPoint]) -> None:
        super().__init__()
        self.network, self.points = network, tuple(points)

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """Pixels (N, 3, V, V) -> logits, pooled features, and the maps at the points."""
        features = self.network.observed(pixels, self.points)
        return (features.logits, features.required_pooled, *features.maps)


def exported(observed: Observed, pixels: Tensor) -> fx.GraphModule:
    """The observed network as a graph for any N; `pixels` are an example with N > 1.

    Raises any exception of torch.export if the network cannot be exported.
    """
    batch = torch.export.Dim("batch", min=1)
    with torch.no_grad():
        program = torch.export.export(observed, (pixels,), dynamic_shapes=({0: batch},), strict=False)
    module = program.module()
    for node in list(module.graph.nodes):
        if node.op == "call_module" and node.name == "_guards_fn":
            module.graph.erase_node(node)  # the guard would check the pixels' shape again at every call
        elif node.op == "call_function" and isinstance(node.target, torch._ops.OpOverload):
            node.target = _without_mutation(node.target)
    module.recompile()
    return module


def _without_mutation(operation: torch._ops.OpOverload) -> torch._ops.OpOverload:
    """The out-of-place form of an in-place operation. Later uses of the changed tensor, under either name, are traced
    as uses of the operation's result.
    """
    packet, overload = operation._schema.name.split("::")[1], operation._overloadname
    plain = getattr(aten, packet.removesuffix("_"), None) if packet.endswith("_") else None
    return getattr(plain, overload, operation) if plain is not None else operation


def groups(graph: fx.Graph) -> Iterator[Group]:
    """Every convolution that could be computed in integers, in the order of computation."""
    place = {node: order for order, node in enumerate(graph.nodes)}
    taken: set[fx.Node] = set()
    for node in graph.nodes:
        if not _is_eligible(node):
            continue
        last: fx.Node = node
        shortcut: fx.Node | None = None
        follower = _only_user(node)
        if follower is not None and _is_sum_of_equals(follower):
            one, other = map(as_node, follower.args)
            shortcut = other if one is node else one
            # If the outputs of two convolutions are added, the addition is computed with the later one.
            if place[shortcut] < place[node] or not _is_eligible(shortcut):
                last = follower
            else:
                shortcut = None
        after = _only_user(last)
        has_relu = after is not None and after.target is aten.relu.default
        last = after if after is not None and has_relu else last
        if last in taken:
            continue
        taken.add(last)
        yield Group(node, last, shortcut, has_relu)


def _only_user(node: fx.Node) -> fx.Node | None:
    return next(iter(node.users)) if len(node.users) == 1 else None


def _is_eligible(node: fx.Node) -> bool:
    if node.target is not aten.conv2d.default:
        return False
    _, weight, *rest = node.args
    padding, num_groups = (rest[2] if len(rest) > 2 else 0), (rest[4] if len(rest) > 4 else 1)
    if not isinstance(weight, fx.Node) or not all(each is None or as_node(each).op == "get_attr" for each in rest[:1]):
        return False
    is_plain = weight.op == "get_attr" and num_groups == 1 and not isinstance(padding, str)
    return bool(is_plain) and shape(weight)[1] >= MIN_CHANNELS


def _is_sum_of_equals(node: fx.Node) -> bool:
    if node.target is not aten.add.Tensor or node.kwargs or len(node.args) != 2:
        return False
    one, other = node.args
    if not (isinstance(one, fx.Node) and isinstance(other, fx.Node)) or one is other:
        return False
    return shape(one) == shape(other) and len(shape(one)) == 4


def as_node(argument: object) -> fx.Node:
    """An operation's argument that is a value of the graph; raises TypeError for a constant."""
    if isinstance(argument, fx.Node):
        return argument
    raise TypeError(f"{argument!r} is no value of the graph")


def shape(node: fx.Node) -> tuple[int, ...]:
    """The shape of a node's value, with the batch size of the traced example."""
    value = node.meta.get("val")
    return tuple(value.shape) if isinstance(value, Tensor) else ()
