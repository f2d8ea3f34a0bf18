"""Batch norm by the kernels, in one pass over memory with the operations that follow it.

In training, a batch norm reads its map once for the statistics and returns a `Deferred` map: the normalization itself
is not computed yet. If a sum with a shortcut or an activation follows, it is computed in the same pass over memory. Any
other use of the map computes it first.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from core.kernels.calls import NORMALIZED_AT_ONCE, Activation, Kernels
from core.kernels.convolutions import laid_out

ADDITIONS = {Tensor.__add__, Tensor.__radd__, Tensor.add, torch.add}
ADDITIONS_IN_PLACE = {Tensor.__iadd__, Tensor.add_}
RELUS = {functional.relu, torch.relu, Tensor.relu}
RELUS_IN_PLACE = {torch.relu_, Tensor.relu_}


class Deferred(Tensor):
    """The output of a batch norm, bfloat16 (N, C, H, W), that is computed when it is first used."""

    _kernels: Kernels
    _images: Tensor
    _parameters: tuple[Tensor, Tensor]
    _statistics: Tensor
    _carried: Tensor | None
    _computed: Tensor | None
    _versions: tuple[int, ...]

    def __new__(
        cls, kernels: Kernels, images: Tensor, parameters: tuple[Tensor, Tensor], statistics: Tensor,
        carried: Tensor | None = None,
    ) -> "Deferred":  # fmt: skip
        """`parameters` are weight and bias (C,); `carried` is a map that is added."""
        made = Tensor._make_wrapper_subclass(
            cls, images.shape, strides=images.stride(), dtype=images.dtype, device=images.device, requires_grad=True
        )
        with torch._C.DisableTorchFunctionSubclass():
            # As register_hook does, which takes five times as long.
            made._backward_hooks = REFUSING  # type: ignore[assignment]  # the stub differs from torch's own use
        made._kernels, made._images, made._parameters = kernels, images, parameters
        made._statistics, made._carried, made._computed = statistics, carried, None
        made._versions = made._current_versions()
        return made

    def _current_versions(self) -> tuple[int, ...]:
        return tuple(each._version for each in (self._images, self._carried) if each is not None)

    @classmethod
    def __torch_function__(
        cls, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Every torch function receives the computed map in its place."""
        return func(*map(computed, args), **{name: computed(each) for name, each in (kwargs or {}).items()})

    @classmethod
    def __torch_dispatch__(cls, *args: Any, **kwargs: Any) -> Any:
        """Refuses operations below autograd, where the map can no longer be replaced by the computed one."""
        _refuse()


def _refuse(*_: Any) -> NoReturn:
    """Raises for a map that reached C++ code, or an autograd function of a network, without torch's Python layer."""
    raise RuntimeError(
        "the output of a batch norm is used by code that the kernels do not support; set training.kernels to torch"
    )


REFUSING = OrderedDict({0: _refuse})


def normalize(
    kernels: Kernels, input: Tensor, running_mean: Tensor | None, running_var: Tensor | None, weight: Tensor,
    bias: Tensor, training: bool, momentum: float = 0.1, eps: float = 1e-5,
) -> Deferred:  # fmt: skip
    """The result of torch.nn.functional.batch_norm for a call that `serves_call` accepts."""
    images = laid_out(input)
    statistics = kernels.statistics(images, weight, bias, eps, running_mean, running_var, momentum)
    return Deferred(kernels, images, (weight, bias), statistics)


def serves_call(
    input: Tensor, running_mean: Tensor | None, running_var: Tensor | None, weight: Tensor | None = None,
    bias: Tensor | None = None, training: bool = False, momentum: float = 0.1, eps: float = 1e-5,
) -> bool:  # fmt: skip
    """Whether the kernels compute a batch norm; arguments as torch.nn.functional.batch_norm's."""
    return (
        training
        and weight is not None
        and bias is not None
        and all(map(_is_plain, (weight, bias, running_mean, running_var)))
        and input.dtype == torch.bfloat16
        and input.ndim == 4
        and input.device.type == "cpu"
        and input.shape[1] % NORMALIZED_AT_ONCE == 0
        and input.numel() > input.shape[1]
    )


def _is_plain(parameter: Tensor | None) -> bool:
    return parameter is None or (parameter.dtype == torch.float32 and parameter.is_contiguous())


def serves(module: nn.Module) -> bool:
    """Whether the kernels compute this layer in training, where its maps are bfloat16."""
    return isinstance(module, nn.BatchNorm2d) and module.affine and module.num_features % NORMALIZED_AT_ONCE == 0


def follow(func: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> Tensor | None:
    """The result of `func` on a deferred map, if it can be computed in the same pass; else None."""
    if func in ADDITIONS or func in ADDITIONS_IN_PLACE:
        return _added(func, *args) if len(args) == 2 and not kwargs else None
    map, activation, in_place = _activation_of(func, *args, **kwargs)
    if (
        activation is Activation.NONE
        or not _is_open(map)
        or (map._carried is not None and activation is not Activation.RELU)
    ):
        return None
    made = _compute(map, activation)
    if in_place:
        map._computed = made
    return made


def _added(func: Callable[..., Any], left: Any, right: Any) -> Tensor | None:
    map, other = (left, right) if _is_open(left) else (right, left)
    in_place = func in ADDITIONS_IN_PLACE
    if not _is_open(map) or map._carried is not None or (in_place and map is not left):
        return None
    other = computed(other)
    if (
        not _is_open(map)
        or not isinstance(other, Tensor)
        or other.dtype != map._images.dtype
        or other.shape != map._images.shape
    ):
        return None
    if in_place:
        map._carried, map._versions = other, (*map._versions, other._version)
        return map
    return Deferred(map._kernels, map._images, map._parameters, map._statistics, other)


def _activation_of(
    func: Callable[..., Any], map: Any = None, *args: Any, **kwargs: Any
) -> tuple[Any, Activation, bool]:
    """(the argument, the activation, whether in place) of a call of an activation function."""
    if func in RELUS_IN_PLACE:
        return map, Activation.RELU, True
    if func in RELUS:
        return map, Activation.RELU, _given(args, kwargs, 0, "inplace", False)
    if func is functional.relu6:
        return map, Activation.RELU6, _given(args, kwargs, 0, "inplace", False)
    if func is functional.hardswish:
        return map, Activation.HARDSWISH, _given(args, kwargs, 0, "inplace", False)
    if func is functional.hardtanh:
        bounds = _given(args, kwargs, 0, "min_val", -1.0), _given(args, kwargs, 1, "max_val", 1.0)
        activation = Activation.RELU6 if bounds == (0, 6) else Activation.NONE
        return map, activation, _given(args, kwargs, 2, "inplace", False)
    return map, Activation.NONE, False


def _given(args: Sequence[Any], kwargs: dict[str, Any], place: int, name: str, default: Any) -> Any:
    return args[place] if place < len(args) else kwargs.get(name, default)


def _is_open(value: Any) -> bool:
    return isinstance(value, Deferred) and value._computed is None


def computed(value: Any) -> Any:
    """`value` with every deferred map in it, or in a list or tuple, replaced by the computed map."""
    if type(value) in (list, tuple):
        return type(value)(computed(each) for each in value)
    if not isinstance(value, Deferred):
        return value
    if value._computed is None:
        value._computed = _compute(value, Activation.NONE)
    return value._computed


def _compute(map: Deferred, activation: Activation) -> Tensor:
    if map._current_versions() != map._versions:
        raise RuntimeError(
            "the input of a batch norm was changed in place before its output was used; set training.kernels to torch"
        )
    with torch.enable_grad():  # the batch norm was called with gradients on
        return _Normalization.apply(
            map._images, *map._parameters, map._carried, map._statistics, map._kernels, activation
        )


class _Normalization(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, images: Tensor, weight: Tensor, bias: Tensor, carried: Tensor | None, statistics: Tensor,
        kernels: Kernels, activation: Activation,
    ) -> Tensor:  # fmt: skip
        if carried is not None:
            carried = laid_out(carried)
        made = kernels.normalize(images, statistics, carried, activation)
        needs_made = carried is not None and activation is Activation.RELU
        ctx.save_for_backward(images, weight, statistics, made if needs_made else None)
        ctx.kernels, ctx.activation, ctx.has_carried = kernels, activation, carried is not None
        return made

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        images, weight, statistics, made = ctx.saved_tensors
        gradient = laid_out(gradient)
        wants_carried = ctx.has_carried and ctx.needs_input_grad[3]
        for_images, for_carried, for_weight, for_bias = ctx.kernels.gradients_of_normalization(
            gradient, images, statistics, weight, ctx.activation, made=made,
            carried=wants_carried and ctx.activation is not Activation.NONE,
        )  # fmt: skip
        if wants_carried and for_carried is None:
            for_carried = gradient  # without an activation the shortcut's gradient is the same
        return for_images, for_weight, for_bias, for_carried, None, None, None
