"""The graph of a network and the scales of its integers as JSON. Computing them takes a second, and they are the same
for every job with the same teacher and images.
"""

import operator
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import fx, nn

from core.networks.quantized.calibration import Scale
from core.networks.quantized.graph import shape

OPERATORS = ("add", "floordiv", "mul", "sub")  # of sizes


class NotRecordable(Exception):
    """The graph contains something that cannot be written as JSON."""


def recorded(module: fx.GraphModule, scales: Mapping[fx.Node, Scale], root: nn.Module) -> dict[str, Any]:
    """The graph as JSON. `root` must have the attributes that the graph reads, under the same names. Raises
    NotRecordable.
    """
    nodes = [_node_to_json(node, root) for node in module.graph.nodes]
    return {"nodes": nodes, "scales": {node.name: [scale.step, scale.zero] for node, scale in scales.items()}}


def recalled(told: Mapping[str, Any], root: nn.Module) -> tuple[fx.GraphModule, dict[fx.Node, Scale]]:
    """The graph from its record, with the attributes of `root`."""
    graph = fx.Graph()
    nodes: dict[str, fx.Node] = {}
    for one in told["nodes"]:
        arguments = _from_json(one["args"], nodes), _from_json(one["kwargs"], nodes)
        node = graph.create_node(one["op"], _target(one["op"], one["target"]), tuple(arguments[0]), arguments[1])
        if one["shape"] is not None:
            node.meta["val"] = torch.empty(one["shape"], device="meta")
        nodes[one["name"]] = node
    return fx.GraphModule(root, graph), {nodes[name]: Scale(*scale) for name, scale in told["scales"].items()}


def _node_to_json(node: fx.Node, root: nn.Module) -> dict[str, Any]:
    if node.op == "get_attr" and not _has(root, str(node.target)):
        raise NotRecordable(f"a constant of the graph: {node.target}")
    return {
        "name": node.name,
        "op": node.op,
        "target": node.target if isinstance(node.target, str) else _name(node.target),
        "args": _to_json(node.args),
        "kwargs": _to_json(node.kwargs),
        "shape": [_size(each) for each in shape(node)] or None,
    }


def _has(root: nn.Module, path: str) -> bool:
    try:
        return isinstance(operator.attrgetter(path)(root), torch.Tensor)
    except AttributeError:
        return False


def _size(size: int | torch.SymInt) -> int:
    """The batch size of the traced example, for a dimension that may have any size."""
    example = size if isinstance(size, int) else size.node.hint
    if not isinstance(example, int):
        raise NotRecordable(f"a size without an example: {size}")
    return example


def _name(target: Callable) -> str:
    if isinstance(target, torch._ops.OpOverload):
        return f"{target.namespace}.{target.__name__}"
    if target.__name__ in OPERATORS and target is getattr(operator, target.__name__, None):
        return target.__name__
    raise NotRecordable(f"a function: {target}")


def _target(op: str, name: str) -> Callable | str:
    if op != "call_function":
        return name
    return operator.attrgetter(name)(operator if name in OPERATORS else torch.ops)


def _to_json(value: object) -> Any:
    if isinstance(value, fx.Node):
        return {"node": value.name}
    if isinstance(value, tuple | list):
        return [_to_json(each) for each in value]
    if isinstance(value, Mapping):
        return {"mapping": {key: _to_json(each) for key, each in value.items()}}
    if isinstance(value, torch.dtype):
        return {"dtype": str(value).removeprefix("torch.")}
    if value is None or type(value) in (bool, int, float, str):
        return value
    raise NotRecordable(f"an argument: {value!r}")


def _from_json(value: Any, nodes: Mapping[str, fx.Node]) -> Any:
    if isinstance(value, list):
        return [_from_json(each, nodes) for each in value]
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "mapping":
        return {key: _from_json(each, nodes) for key, each in content.items()}
    return nodes[content] if kind == "node" else getattr(torch, content)
