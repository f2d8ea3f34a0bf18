"""Objects beside the tensors of a checkpoint, read as inert values of our own.

Training programs save their arguments, paths and best scores in the same pickle as the state dict. Under
`weights_only` torch refuses a file that names any class it does not know. The classes listed here only hold data, and
none of them is used to read a file: torch gets a stand-in of this module under the name of the class, so the class is
neither imported nor called, and its content is dropped. Only numpy arrays keep their content, as tensors. A file
with any other class is refused, and the error names the class: `os.system` in a weights file is a reason to look at it.
"""

import math
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

# Arguments and paths that scripts save: argparse.Namespace(lr=0.1), PosixPath("runs/3"), datetime, a numpy best_acc1.
DATA_CLASSES = frozenset({
    "argparse.Namespace", "types.SimpleNamespace", "builtins.slice", "builtins.frozenset", "builtins.range",
    "builtins.object", "typing.Any", "copyreg._reconstructor", "uuid.UUID", "decimal.Decimal",
    "fractions.Fraction",
    *(f"builtins.{name}" for name in ("dict", "list", "tuple", "int", "float", "bool", "str", "bytes")),
    *(f"datetime.{name}" for name in ("datetime", "date", "time", "timedelta", "timezone")),
    *(
        f"pathlib{module}.{name}"
        for module in ("", "._local")
        for name in ("Path", "PosixPath", "WindowsPath", "PurePath", "PurePosixPath", "PureWindowsPath")
    ),
    "numpy.ndarray", *(f"numpy.{module}.multiarray.scalar" for module in ("core", "_core")),
    "numpy.random._pickle.__randomstate_ctor", "numpy.random._pickle.__generator_ctor",
    "numpy.random._pickle.__bit_generator_ctor", "numpy.random._mt19937.MT19937", "numpy.random._pcg64.PCG64",
})  # fmt: skip
# Configurations of training frameworks: every class of these modules holds options or the state of a training loop.
DATA_MODULES = (
    "omegaconf.", "pytorch_lightning.callbacks.", "lightning.pytorch.callbacks.", "pytorch_lightning.trainer.states.",
    "lightning.pytorch.trainer.states.", "torch.optim.lr_scheduler.",
)  # fmt: skip
# The same as subclasses of dict, whose items may be state dicts.
MAPPINGS = frozenset({
    "collections.defaultdict", "yacs.config.CfgNode", "fvcore.common.config.CfgNode",
    "detectron2.config.config.CfgNode",
    "easydict.EasyDict", "addict.addict.Dict", "munch.Munch", "munch.DefaultMunch",
    "ml_collections.config_dict.ConfigDict",
    "mmcv.utils.config.ConfigDict", "mmengine.config.config.ConfigDict",
    "pytorch_lightning.utilities.parsing.AttributeDict", "lightning.fabric.utilities.data.AttributeDict",
    "lightning_fabric.utilities.data.AttributeDict",
})  # fmt: skip
ARRAYS = frozenset({"numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct"})
DTYPES = frozenset({"numpy.dtype"})
# numpy's one-letter kinds of numbers that torch has too: bool, signed, unsigned, float.
NUMBER_KINDS = "biuf"


class Withheld:
    """An object that was in the file and is not rebuilt: any arguments and any state are dropped."""

    def __new__(cls, *arguments: object) -> "Withheld":
        """Take what the pickle calls the class with, and keep nothing."""
        return super().__new__(cls)

    def __setstate__(self, state: object) -> None:
        """Take the state that the pickle brings, and keep nothing."""


class DtypeStandIn:
    """numpy.dtype as its code, such as `f4`, and its byte order."""

    def __new__(cls, code: object = "", *arguments: object) -> "DtypeStandIn":
        """`code` as the pickle has it; what numpy would do with the other arguments is not needed."""
        dtype = super().__new__(cls)
        dtype.code, dtype.order = code, "="
        return dtype

    code: object
    order: object

    def __setstate__(self, state: object) -> None:
        """(version, byte order, ...): the order is kept."""
        if isinstance(state, tuple) and len(state) > 1:
            self.order = state[1]

    def as_numpy(self) -> np.dtype[Any] | None:
        """The dtype, where it is one of plain numbers."""
        code = self.code.decode("latin1") if isinstance(self.code, bytes) else self.code
        order = self.order.decode("latin1") if isinstance(self.order, bytes) else self.order
        if not isinstance(code, str) or code[:1] not in NUMBER_KINDS or not code[1:].isdigit():
            return None
        try:
            return np.dtype(f"{order if order in ('<', '>') else '='}{code}")
        except TypeError:
            return None


class ArrayStandIn:
    """A numpy array as the shape, dtype and bytes that the pickle holds."""

    def __new__(cls, *arguments: object) -> "ArrayStandIn":
        """An array without content: numpy's pickles bring it with the state."""
        array = super().__new__(cls)
        array.state = None
        return array

    state: object

    def __setstate__(self, state: object) -> None:
        """(version, shape, dtype, Fortran order, bytes)."""
        self.state = state

    def as_tensor(self) -> torch.Tensor | None:
        """The same numbers as a tensor; None where the array holds no numbers or is not whole."""
        match self.state:
            case (_, tuple() as shape, DtypeStandIn() as described, bool() | int() as is_fortran, bytes() as content):
                dtype = described.as_numpy()
            case _:
                return None
        if dtype is None or not all(isinstance(side, int) and side >= 0 for side in shape):
            return None
        if math.prod(shape) * dtype.itemsize != len(content):
            return None
        array = np.frombuffer(content, dtype).reshape(shape, order="F" if is_fortran else "C")
        try:
            return torch.from_numpy(array.astype(dtype.newbyteorder("=")))
        except TypeError:  # numbers that torch lacks, such as float128
            return None


def _mapping(*arguments: object) -> OrderedDict[Any, Any]:
    """An empty mapping for the items that follow in the pickle."""
    return OrderedDict()


def safe_globals(names: list[str]) -> list[Callable[..., object] | tuple[Callable[..., object], str]]:
    """What torch.serialization.safe_globals takes, for those `names` (`module.name`) of classes that only hold data."""
    found: list[Callable[..., object] | tuple[Callable[..., object], str]] = [Withheld, DtypeStandIn, ArrayStandIn]
    for name in names:
        stand_in = _stand_in(name)
        if stand_in is not None:
            found.append((stand_in, name))
    return found


def _stand_in(name: str) -> Callable[..., object] | None:
    if name in ARRAYS:
        return ArrayStandIn
    if name in DTYPES:
        return DtypeStandIn
    if name in MAPPINGS:
        # As a class, because a subclass of dict is made with NEWOBJ; defaultdict is called with its factory instead.
        return _mapping if name == "collections.defaultdict" else OrderedDict
    return Withheld if name in DATA_CLASSES or name.startswith(DATA_MODULES) else None
