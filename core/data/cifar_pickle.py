"""The values in a CIFAR pickle, read without unpickling: a pickle is a program, and this runs none of it.

The few opcodes that such files use are followed one by one and give numbers, texts, bytes, lists, dictionaries and
arrays. NumPy's arrays are described in a pickle by calls; the calls that describe an array are known here by name and
become an array by our own hand. Any other name, opcode or order of opcodes is refused.
"""

import pickletools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from core.errors import DatasetInvalid

MAX_OPCODES = 2_000_000
_DTYPES = {"u1": np.uint8, "i1": np.int8, "i4": np.int32, "i8": np.int64, "f4": np.float32, "f8": np.float64}


@dataclass(frozen=True)
class _Name:
    """A function or class that the pickle names; it is never looked up."""

    text: str


@dataclass
class _Dtype:
    """A dtype by its code, such as u1."""

    code: str
    order: str = "|"


@dataclass
class _Array:
    """An array that is described and not filled yet, or an array."""

    values: np.ndarray | None = None


class _Mark:
    """The start of the items of a list, tuple or dictionary on the stack."""


@dataclass
class _Machine:
    """The stack and memory of one pickle."""

    size: int
    """Of the pickle, in bytes; what its calls make is no more in an honest one."""
    made: int = 0
    stack: list[Any] = field(default_factory=list)
    memo: dict[int, Any] = field(default_factory=dict)

    def to_mark(self) -> list[Any]:
        items = []
        while not isinstance(value := self.stack.pop(), _Mark):
            items.append(value)
        return items[::-1]


def load(data: bytes) -> Any:
    """The value in a pickle of arrays, lists, dictionaries, texts, bytes and numbers; Python 2's strings are bytes.

    Raises DatasetInvalid for any other pickle, and for a damaged one.
    """
    machine = _Machine(len(data))
    try:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(data)):
            if count > MAX_OPCODES:
                raise DatasetInvalid(f"the pickle has more than {MAX_OPCODES} opcodes, far more than CIFAR's")
            if opcode.name == "STOP":
                return _finished(machine.stack.pop())
            _step(machine, opcode.name, argument)
    except DatasetInvalid:
        raise
    except Exception as error:  # ValueError, IndexError, KeyError, TypeError, ...: it is no pickle of this kind
        raise DatasetInvalid(f"the pickle is damaged: {error or type(error).__name__}") from None
    raise DatasetInvalid("the pickle is damaged: it ends early")


def _step(machine: _Machine, name: str, argument: Any) -> None:
    if name in _CONSTANTS:
        machine.stack.append(_CONSTANTS[name](argument))
    elif name in _ACTIONS:
        _ACTIONS[name](machine, argument)
    elif name not in ("PROTO", "FRAME"):
        raise DatasetInvalid(f"the pickle uses {name}; CIFAR files hold arrays, lists and texts only")


def _finished(value: Any) -> Any:
    """The value, or of a dictionary each, with the description of an array as the array."""
    return {key: _array_of(one) for key, one in value.items()} if isinstance(value, dict) else _array_of(value)


def _array_of(value: Any) -> Any:
    if isinstance(value, _Array):
        if value.values is None:
            raise DatasetInvalid("the pickle holds an array without values")
        return value.values
    if isinstance(value, _Name | _Dtype):
        raise DatasetInvalid("the pickle holds a name where a value is due")
    return value


def _reduce(machine: _Machine, _: Any) -> None:
    arguments, name = machine.stack.pop(), machine.stack.pop()
    call = _CALLS.get(name.text) if isinstance(name, _Name) else None
    if call is None:
        raise DatasetInvalid(f"the pickle calls {_shown(getattr(name, 'text', name))}; CIFAR files hold arrays only")
    value = call(*arguments)
    machine.made += len(value) if isinstance(value, bytes) else 0
    if machine.made > machine.size:  # a text that is named again and again, and copied each time
        raise DatasetInvalid("the pickle makes more bytes than it holds")
    machine.stack.append(value)


def _build(machine: _Machine, _: Any) -> None:
    state, target = machine.stack.pop(), machine.stack[-1]
    if isinstance(target, _Dtype):
        target.order = _text(state[1])
    elif isinstance(target, _Array):
        _, shape, dtype, is_fortran, values = state
        target.values = _filled(values, dtype, shape, "F" if is_fortran else "C")
    else:
        raise DatasetInvalid(f"the pickle sets the state of a {type(target).__name__}")


def _filled(values: Any, dtype: Any, shape: Any, order: Any) -> np.ndarray:
    if not isinstance(dtype, _Dtype) or dtype.code not in _DTYPES or dtype.order not in ("|", "<", "="):
        raise DatasetInvalid(f"the pickle holds an array of {_shown(dtype)}; wanted: {', '.join(_DTYPES)}")
    if not isinstance(values, bytes | bytearray) or order not in ("C", "F"):
        raise DatasetInvalid("the pickle holds an array whose values are no bytes")
    sides = tuple(int(side) for side in shape)
    flat: np.ndarray = np.frombuffer(values, _DTYPES[dtype.code])  # no copy: values may be named very often
    if min(sides, default=1) < 0 or flat.size != int(np.prod(sides, dtype=object)):
        raise DatasetInvalid(f"the pickle holds {flat.size} values for an array of shape {sides}")
    return flat.reshape(sides, order=order)


def _text(value: Any) -> str:
    if isinstance(value, bytes | str):
        return value.decode("latin-1") if isinstance(value, bytes) else value
    raise DatasetInvalid(f"the pickle holds {_shown(value)} where a text is due")


def _shown(value: Any) -> str:
    """A value for a message. Of lists and objects only their kind: a list that holds itself twice, and that list twice,
    and so on has a text without end."""
    return f"{value!r:.80}" if isinstance(value, str | bytes | int | float) else type(value).__name__.strip("_")


def _encoded(text: str, encoding: str) -> bytes:
    """How Python 3 writes bytes in the protocols of Python 2."""
    if encoding not in ("latin1", "latin-1"):
        raise DatasetInvalid(f"the pickle asks for the codec {_shown(encoding)}")
    return text.encode("latin-1")


def _reconstruct(kind: Any, *_: Any) -> _Array:
    if not isinstance(kind, _Name) or kind.text != "numpy ndarray":
        raise DatasetInvalid("the pickle describes another array than NumPy's own")
    return _Array()


_CALLS: dict[str, Callable[..., Any]] = {
    "numpy.core.multiarray _reconstruct": _reconstruct,
    "numpy._core.multiarray _reconstruct": _reconstruct,
    "numpy.core.numeric _frombuffer": lambda *given: _Array(_filled(*given)),
    "numpy._core.numeric _frombuffer": lambda *given: _Array(_filled(*given)),
    "numpy dtype": lambda code, *_: _Dtype(_text(code)),
    "_codecs encode": _encoded,
    "__builtin__ bytes": lambda: b"",  # how Python 3 writes b"" in the protocols of Python 2
}


def _set_items(machine: _Machine, _: Any) -> None:
    items = machine.to_mark()
    machine.stack[-1].update(zip(items[::2], items[1::2], strict=True))


def _set_item(machine: _Machine, _: Any) -> None:
    value, key = machine.stack.pop(), machine.stack.pop()
    machine.stack[-1].update({key: value})


def _extend(machine: _Machine, _: Any) -> None:
    items = machine.to_mark()
    _list(machine).extend(items)


def _append(machine: _Machine, _: Any) -> None:
    value = machine.stack.pop()
    _list(machine).append(value)


def _list(machine: _Machine) -> list[Any]:
    if not isinstance(machine.stack[-1], list):
        raise DatasetInvalid("the pickle appends to what is no list")
    return machine.stack[-1]


def _tuple(count: int) -> Callable[[_Machine, Any], None]:
    def take(machine: _Machine, _: Any) -> None:
        start = len(machine.stack) - count
        machine.stack[start:] = [tuple(machine.stack[start:])]

    return take


def _stack_name(machine: _Machine, _: Any) -> None:
    name, module = machine.stack.pop(), machine.stack.pop()
    machine.stack.append(_Name(f"{module} {name}"))


def _remember(machine: _Machine, key: Any) -> None:
    machine.memo[len(machine.memo) if key is None else key] = machine.stack[-1]


_CONSTANTS: dict[str, Callable[[Any], Any]] = {
    "NONE": lambda _: None,
    "NEWTRUE": lambda _: True,
    "NEWFALSE": lambda _: False,
    "EMPTY_DICT": lambda _: {},
    "EMPTY_LIST": lambda _: [],
    "EMPTY_TUPLE": lambda _: (),
    "MARK": lambda _: _Mark(),
    "GLOBAL": _Name,
    **dict.fromkeys(("SHORT_BINSTRING", "BINSTRING", "STRING"), lambda text: text.encode("latin-1")),
    **dict.fromkeys(
        ("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "BINFLOAT", "SHORT_BINUNICODE", "BINUNICODE",
         "UNICODE", "BINUNICODE8", "SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "BYTEARRAY8"), lambda value: value,
    ),
}  # fmt: skip
_ACTIONS: dict[str, Callable[[_Machine, Any], None]] = {
    "REDUCE": _reduce,
    "BUILD": _build,
    "SETITEMS": _set_items,
    "SETITEM": _set_item,
    "APPENDS": _extend,
    "APPEND": _append,
    "TUPLE": lambda machine, _: machine.stack.append(tuple(machine.to_mark())),
    "LIST": lambda machine, _: machine.stack.append(machine.to_mark()),
    "DICT": lambda machine, _: machine.stack.append(_pairs(machine.to_mark())),
    "TUPLE1": _tuple(1),
    "TUPLE2": _tuple(2),
    "TUPLE3": _tuple(3),
    "STACK_GLOBAL": _stack_name,
    **dict.fromkeys(("MEMOIZE", "BINPUT", "LONG_BINPUT", "PUT"), _remember),
    **dict.fromkeys(
        ("BINGET", "LONG_BINGET", "GET"), lambda machine, key: machine.stack.append(machine.memo[key])
    ),
}  # fmt: skip


def _pairs(items: list[Any]) -> dict[Any, Any]:
    return dict(zip(items[::2], items[1::2], strict=True))
