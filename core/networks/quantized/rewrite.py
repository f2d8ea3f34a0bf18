"""Rewrites the graph so that convolutions use oneDNN's integer operations, which torch's CPU compiler uses too.

A convolution multiplies unsigned 8-bit inputs by signed 8-bit weights (one scale for each output channel), adds up in
32 bits, adds shortcut and bias, applies ReLU, and writes 8 bits or a float, all in one operation.
"""

import operator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, fx
from torch.fx.node import Argument

from core.networks.quantized.calibration import LARGEST, Scale
from core.networks.quantized.graph import Group, as_node, shape
from core.networks.quantized.plan import Plan

onednn = torch.ops.onednn
LARGEST_WEIGHT = 127
PRODUCTS = (torch.ops.aten.conv2d.default, torch.ops.aten.linear.default)


def rewritten(
    module: fx.GraphModule, plan: Plan, scales: dict[fx.Node, Scale], dtype: torch.dtype, batch_size: int
) -> fx.GraphModule:
    """A module that computes the same as `module`, with the plan's groups in integers and floats of `dtype` elsewhere.

    It is correct for every batch size and fastest for `batch_size`: weights that are packed for no particular size make
    some convolutions seven times slower (oneDNN 3.13).
    """
    return _Rewriting(module, plan, scales, dtype, batch_size).done()


@dataclass
class _Rewriting:
    old: fx.GraphModule
    plan: Plan
    scales: dict[fx.Node, Scale]
    dtype: torch.dtype
    batch_size: int
    new: fx.Graph = field(default_factory=fx.Graph)
    floats: dict[fx.Node, fx.Node] = field(default_factory=dict)
    integers: dict[fx.Node, fx.Node] = field(default_factory=dict)
    tensors: dict[str, Tensor] = field(default_factory=dict)

    def done(self) -> fx.GraphModule:
        inner = {node for group in self.plan.groups.values() for node in group.inner}
        for node in self.old.graph.nodes:
            if node in inner:
                continue
            if node in self.plan.groups:
                self._group(self.plan.groups[node])
            else:
                self.floats[node] = self.new.node_copy(node, lambda operand: self.floats[operand])
                if node in self.plan.integers:
                    self.integers[node] = self._quantized(self.floats[node], self.scales[node])
        self.new.eliminate_dead_code()
        self._protect_what_is_read_later()
        return fx.GraphModule(self._attributes(), self.new)

    def _group(self, group: Group) -> None:
        last = group.last
        outputs_integer = last in self.plan.integers
        given = self._convolved(group, self.scales[last] if outputs_integer else None)
        if not outputs_integer:
            self.floats[last] = given
            return
        self.integers[last] = given
        self.floats[last] = self._dequantized(given, self.scales[last])  # removed later if nothing reads it

    def _convolved(self, group: Group, scale: Scale | None) -> fx.Node:
        entering = self.scales[group.source]
        stride, padding, dilation = (_pair(group.conv, at, default) for at, default in ((3, 1), (4, 0), (5, 1)))
        weight, steps = _integer_weight(self._constant(as_node(group.conv.args[1])))
        images = [self.batch_size, *shape(group.source)[1:]]
        packed = onednn.qconv_prepack(weight, steps, entering.step, entering.zero, stride, padding, dilation, 1, images)
        given = group.conv.args[2] if len(group.conv.args) > 2 else None
        name = group.conv.name
        arguments: list[Argument] = [
            self.integers[group.source], entering.step, entering.zero,
            self._stored(f"{name}_weight", packed),
            self._stored(f"{name}_steps", steps),
            self._stored(f"{name}_zeros", torch.zeros(len(steps), dtype=torch.int32)),
        ]  # fmt: skip
        bias = self._stored(f"{name}_bias", self._constant(as_node(given)).float()) if given is not None else None
        written: tuple[Argument, ...] = (
            (scale.step, scale.zero, torch.uint8) if scale is not None else (1.0, 0, self.dtype)
        )
        relu = "relu" if group.has_relu else "none"
        shared: tuple[Argument, ...] = (stride, padding, dilation, 1, *written)
        if group.shortcut is None:
            return self.new.call_function(onednn.qconv2d_pointwise.default, (*arguments, bias, *shared, relu, [], ""))
        added = self.scales[group.shortcut]
        shortcut = self.integers[group.shortcut]
        if scale is None:
            # The sum overwrites the shortcut, so both must have the same type.
            shortcut, added = self._dequantized(shortcut, added), Scale(1.0, 0)
        return self.new.call_function(
            onednn.qconv2d_pointwise.binary,
            (*arguments, shortcut, bias, *shared, added.step, added.zero, "sum", 1.0, relu, [], ""),
        )

    def _quantized(self, value: fx.Node, scale: Scale) -> fx.Node:
        call, aten = self.new.call_function, torch.ops.aten
        value = call(aten.round.default, (call(aten.mul.Tensor, (value, 1 / scale.step)),))
        if scale.zero:
            value = call(aten.add.Tensor, (value, scale.zero))
        return call(aten.to.dtype, (call(aten.clamp.default, (value, 0, LARGEST)), torch.uint8))

    def _dequantized(self, value: fx.Node, scale: Scale) -> fx.Node:
        call, aten = self.new.call_function, torch.ops.aten
        value = call(aten.to.dtype, (value, self.dtype))
        if scale.zero:
            value = call(aten.sub.Tensor, (value, scale.zero))
        return call(aten.mul.Tensor, (value, scale.step))

    def _protect_what_is_read_later(self) -> None:
        """Copy a shortcut that is also the convolution's input or has later readers, because the sum overwrites it."""
        place = {node: order for order, node in enumerate(self.new.nodes)}
        for node in list(self.new.nodes):
            if node.target is not onednn.qconv2d_pointwise.binary:
                continue
            shortcut = as_node(node.args[6])
            if node.args[0] is shortcut or any(place[user] > place[node] for user in shortcut.users):
                with self.new.inserting_before(node):
                    copy = self.new.call_function(torch.ops.aten.clone.default, (shortcut,))
                node.update_arg(6, copy)

    def _constant(self, node: fx.Node) -> Tensor:
        return _attribute(self.old, str(node.target)).detach()

    def _stored(self, name: str, tensor: Tensor) -> fx.Node:
        self.tensors[name] = tensor
        return self.new.get_attr(name)

    def _attributes(self) -> dict[str, Tensor]:
        """The attributes that the new graph reads. Weights of float products are stored in `dtype`, so that autocast
        need not convert them each time.
        """
        read: dict[str, Tensor] = {}
        for node in self.new.nodes:
            if node.op != "get_attr":
                continue
            name = str(node.target)
            if name in self.tensors:
                read[name] = self.tensors[name]
            else:
                is_factor = all(user.target in PRODUCTS for user in node.users)
                value = self._constant(node)
                read[name] = value.to(self.dtype) if is_factor else value
        return read


def _integer_weight(weight: Tensor) -> tuple[Tensor, Tensor]:
    """int8 weights and the float step of each output channel."""
    steps = weight.abs().amax(dim=(1, 2, 3)).clamp(min=1e-12) / LARGEST_WEIGHT
    return (weight / steps.view(-1, 1, 1, 1)).round().to(torch.int8), steps


def _pair(conv: fx.Node, at: int, default: int) -> list[int]:
    value: Any = conv.args[at] if len(conv.args) > at else default
    return list(value) if isinstance(value, list | tuple) else [value, value]


def _attribute(module: torch.nn.Module, path: str) -> Tensor:
    tensor: Tensor = operator.attrgetter(path)(module)
    return tensor
