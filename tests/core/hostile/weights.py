"""Files of weights that are hostile, broken or odd. What is wanted of a readable one: name -> shape."""

import io
import json
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save

from tests.core.hostile.entry import Corpus

WEIGHTS = Corpus()
MiB = 1 << 20
STATE = {"conv.weight": torch.ones(2, 3), "conv.bias": torch.zeros(2)}
BOTH = {"conv.weight": [2, 3], "conv.bias": [2]}


class Calls:
    """An object whose pickle calls a function when it is loaded."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        """What the pickle names."""
        return self.call


def saved(content: object, **options: Any) -> bytes:
    """The bytes of torch.save."""
    buffer = io.BytesIO()
    torch.save(content, buffer, **options)
    return buffer.getvalue()


def repacked(
    data: bytes, change: Callable[[str, bytes], bytes] = lambda _, content: content, method: int = zipfile.ZIP_STORED
) -> bytes:
    """A file of torch.save with other members."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(buffer, "w", method) as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
    return buffer.getvalue()


def with_pickle(program: bytes) -> bytes:
    """A file of torch.save whose pickle is another."""
    return repacked(saved(STATE), lambda name, content: program if name.endswith("data.pkl") else content)


def safetensors_of(header: Any, body: bytes = b"", length: int | None = None) -> bytes:
    """A safetensors file of a header (an object, or its bytes) and a body."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + body


def tensor(start: int, end: int, shape: list[int], dtype: str = "F32") -> dict[str, Any]:
    """The entry of one tensor in a header."""
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


def laughs(depth: int) -> bytes:
    """A pickle of a list that holds a list twice, that holds a list twice, and so on."""
    return b"\x80\x02]q\x00" + b"".join(b"]q%c(h%ch%ce" % (n + 1, n, n) for n in range(depth)) + b"."


def deflated() -> bytes:
    """A file of torch.save whose 128 MiB of zeros are packed."""
    member = repacked(saved({"a": torch.zeros(1)}))
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(member)) as old,
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as new,
    ):
        for name in old.namelist():
            if name.endswith("data/0"):
                with new.open(name, "w") as out:
                    for _ in range(128):
                        out.write(bytes(MiB))
            else:
                new.writestr(name, old.read(name).replace(b"K\x01", b"J\0\0\0\x02"))
    return buffer.getvalue()


def _pickles(add: Callable[..., None], touched: Path) -> None:
    command = f"touch {touched}"
    import os
    import subprocess

    for name, call in (
        ("os.system", Calls(os.system, command)),
        ("eval", Calls(eval, f"open({str(touched)!r}, 'w')")),
        ("exec", Calls(exec, f"open({str(touched)!r}, 'w')")),
        ("open", Calls(open, str(touched), "w")),
        ("subprocess", Calls(subprocess.Popen, ["touch", str(touched)])),
        ("torch.load in torch.load", Calls(torch.load, "/etc/passwd")),
        ("bytes of 4 GiB", Calls(bytearray, 1 << 32)),
        ("a path", Calls(os.putenv, "A", "B")),
    ):
        add(f"pickle: {name}", lambda call=call: saved({**STATE, "x": call}))
        add(
            f"pickle, old form: {name}",
            lambda call=call: saved({**STATE, "x": call}, _use_new_zipfile_serialization=False),
        )
        add(f"plain pickle: {name}", lambda call=call: pickle.dumps({"x": call}, protocol=2))
    add("pickle: a list of lists of lists", lambda: with_pickle(laughs(200)))
    add("pickle: 30 million opcodes", lambda: with_pickle(b"\x80\x02" + b"N0" * 30_000_000 + b"N."))
    add("pickle: a memo of 2**32", lambda: with_pickle(b"\x80\x02Nr\xff\xff\xff\xff."))
    add("pickle: cut", lambda: saved(STATE)[:-300])
    add("pickle: no state", lambda: saved({"epoch": 3}))
    add("pickle: a whole model", lambda: saved(torch.nn.Linear(2, 2)))
    add("pickle: as torch writes it", lambda: saved(STATE), BOTH)
    add("pickle: in the old form", lambda: saved(STATE, _use_new_zipfile_serialization=False), BOTH)
    add("pickle: named safetensors", lambda: saved({"x": Calls(os.system, command)}), file_name="model.safetensors")
    add("pickle: protocol 0", lambda: b"cos\nsystem\n(S'true'\ntR.")


def _tensors(add: Callable[..., None]) -> None:
    huge = torch.zeros(1).expand(1 << 40)
    add("pt: packed by deflate", deflated)
    add("pt: a tensor of 2**40 numbers in 4 bytes", lambda: saved({"a": huge}))
    add(
        "pt: a sparse tensor of 2**40 numbers",
        lambda: saved({"a": torch.sparse_coo_tensor([[0]], [1.0], (1 << 40,), check_invariants=True)}),
    )
    add("pt: a meta tensor of 2**40 numbers", lambda: saved({"a": torch.empty(1 << 40, device="meta")}))
    add(
        "pt: a storage that is shorter than told",
        lambda: repacked(
            saved({"a": torch.ones(100)}), lambda name, content: content[:8] if name.endswith("data/0") else content
        ),
    )
    add("pt: strides beyond the storage", lambda: saved({"a": torch.ones(8)}).replace(b"K\x08\x85q", b"K\xf0\x85q"))
    add("pt: a member that leads out", lambda: repacked(saved(STATE)).replace(b"archive/data/0", b"../../../../d0"))
    add("pt: NaN and infinity", lambda: saved({"a": torch.tensor([float("nan"), float("inf")])}), {"a": [2]})
    add("pt: half precision", lambda: saved({"a": torch.ones(2, dtype=torch.bfloat16)}), {"a": [2]})
    add("pt: a numpy array", lambda: saved({"a": np.ones(3, dtype=np.float32)}), {"a": [3]})
    add("pt: an array of objects", lambda: saved({"a": np.array([{}], dtype=object)}))
    add("pt: TorchScript", lambda: repacked(saved(STATE)) + b"", BOTH)


def _safetensors(add: Callable[..., None]) -> None:
    def told(name: str, content: Callable[[], bytes], wanted: Any = None) -> None:
        add(f"safetensors: {name}", content, wanted, file_name="model.safetensors")

    told("as it should be", lambda: save(STATE), BOTH)
    told("a header of 2**63 bytes", lambda: safetensors_of({}, length=2**63))
    told("a header beyond the end", lambda: safetensors_of({"a": tensor(0, 4, [1])}, b"\0" * 4, length=5000))
    told("a header of 60 MB of lists", lambda: safetensors_of(b'{"a":[' + b"[]," * 20_000_000 + b"0]}"))
    told("a header of depth 100,000", lambda: safetensors_of(b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"))
    told(
        "a header of one huge number",
        lambda: safetensors_of(b'{"a":{"dtype":"F32","shape":[' + b"9" * 9999 + b'],"data_offsets":[0,4]}}', b"\0" * 4),
    )
    told("no JSON", lambda: safetensors_of(b"{" + b"x" * 100))
    told("overlapping tensors", lambda: safetensors_of({"a": tensor(0, 8, [2]), "b": tensor(4, 12, [2])}, bytes(12)))
    told("a hole", lambda: safetensors_of({"a": tensor(0, 4, [1]), "b": tensor(8, 12, [1])}, bytes(12)))
    told("a tensor beyond the end", lambda: safetensors_of({"a": tensor(0, 4000, [1000])}, bytes(8)))
    told("bytes behind", lambda: save(STATE) + b"x")
    told("ends before it begins", lambda: safetensors_of({"a": tensor(8, 0, [2])}, bytes(8)))
    told("a shape that differs", lambda: safetensors_of({"a": tensor(0, 8, [1000])}, bytes(8)))
    told("a shape that overflows", lambda: safetensors_of({"a": tensor(0, 0, [2**62, 4])}))
    told("a negative shape", lambda: safetensors_of({"a": tensor(0, 8, [-2])}, bytes(8)))
    told("a shape with 0 of 2**62", lambda: safetensors_of({"a": tensor(0, 0, [0, 2**62])}), {"a": [0, 2**62]})
    told("an unknown dtype", lambda: safetensors_of({"a": tensor(0, 8, [2], "X99")}, bytes(8)))
    told(
        "offsets that are texts",
        lambda: safetensors_of({"a": {"dtype": "F32", "shape": [1], "data_offsets": ["0", "4"]}}, bytes(4)),
    )
    told(
        "a name twice",
        lambda: safetensors_of(
            b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}',
            bytes(4),
        ),
        {"a": [1]},
    )
    told("cut", lambda: save(STATE)[:-5])
    told("empty", lambda: b"")
    add(
        "index: a shard elsewhere",
        lambda: json.dumps({"weight_map": {"a": "../../../etc/passwd"}}).encode(),
        file_name="model.safetensors.index.json",
    )
    add(
        "index: of itself",
        lambda: json.dumps({"weight_map": {"a": "model.safetensors.index.json"}}).encode(),
        file_name="model.safetensors.index.json",
    )
    add(
        "index: 60 MB of lists",
        lambda: b'{"weight_map":[' + b"[]," * 20_000_000 + b"0]}",
        file_name="model.safetensors.index.json",
    )
    add("ONNX", lambda: b"\x08\x07\x12\x07pytorch:\x00", file_name="model.onnx")
    add("random bytes", lambda: np.random.default_rng(0).bytes(5000))


def _add_all() -> None:
    def add(name: str, content: Callable[[], bytes], wanted: Any = None, file_name: str = "weights.pth") -> None:
        WEIGHTS.add_bytes(name, file_name, content, wanted)

    # No input names a file that a test could look for: the child's audit events tell of every file that is made.
    _pickles(add, Path("/tmp/retort-hostile-weights"))
    _tensors(add)
    _safetensors(add)


_add_all()
