"""The tensors of a checkpoint, which training programs nest in dictionaries and lists, under one name each."""

from collections.abc import Iterator, Mapping

import torch

from core.errors import TeacherLoadFailed
from core.networks.weights.stand_ins import ArrayStandIn

MAX_DEPTH = 8  # deeper than any checkpoint seen: {"state": {"ema": {"module": {...}}}}
LISTED = 5
FREE_BYTES = 1 << 20  # a tensor up to this size may be an expanded or sparse one
Node = tuple[str, object]


def tensors_of(content: object, *, source: str, pointer: str) -> dict[str, torch.Tensor]:
    """Every tensor below `content`, its path joined by dots; raises TeacherLoadFailed where there is none.

    A container that is met twice is read once, so that a small file cannot grow without bound.
    """
    found = dict(_walk(content))
    if found:
        _check_stored(found, source, pointer)
        return found
    raise TeacherLoadFailed(
        f"{source} holds no state dict: {_described(content)}",
        hint="save it as torch.save(model.state_dict(), path) or as safetensors",
        pointer=pointer,
    )


def _check_stored(found: dict[str, torch.Tensor], source: str, pointer: str) -> None:
    """Refuse a tensor with more numbers than its file holds: strides of 0, sparse and meta tensors name them for
    nothing, and the first use would fill the memory."""
    for name, tensor in found.items():
        is_plain = tensor.layout == torch.strided and tensor.device.type == "cpu" and not tensor.is_quantized
        stored = tensor.untyped_storage().nbytes() if is_plain else 0
        if not tensor.is_quantized and tensor.numel() * tensor.element_size() > max(stored, FREE_BYTES):
            raise TeacherLoadFailed(
                f"{source} holds the tensor {name!r} of shape {tuple(tensor.shape)}, whose numbers are not in the file",
                hint="save it as torch.save({name: tensor.contiguous() for each}, path), or as safetensors",
                pointer=pointer,
            )


def _walk(content: object) -> Iterator[tuple[str, torch.Tensor]]:
    seen: set[int] = set()
    level: list[Node] = [("", content)]
    for _ in range(MAX_DEPTH):
        below: list[Node] = []
        for name, value in level:
            tensor = _tensor(value)
            if tensor is not None:
                yield name, tensor
            elif id(value) not in seen:
                seen.add(id(value))
                below.extend((f"{name}.{key}" if name else str(key), item) for key, item in _items(value))
        level = below


def _items(value: object) -> Iterator[tuple[object, object]]:
    if isinstance(value, Mapping):
        yield from ((key, item) for key, item in value.items() if isinstance(key, str | int))
    elif isinstance(value, list | tuple):
        yield from enumerate(value)


def _tensor(value: object) -> torch.Tensor | None:
    if isinstance(value, torch.nn.Parameter):
        return value.data
    if isinstance(value, torch.Tensor):
        return value
    return value.as_tensor() if isinstance(value, ArrayStandIn) else None


def _described(content: object) -> str:
    if isinstance(content, Mapping):
        keys = [str(key) for key in content if isinstance(key, str | int)]
        more = f" and {len(keys) - LISTED} more" if len(keys) > LISTED else ""
        return f"there is no tensor under its keys {', '.join(keys[:LISTED])}{more}" if keys else "it is empty"
    return f"it is a {type(content).__name__} without tensors"
