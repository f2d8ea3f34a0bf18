"""Arrays, shards, pickles and folders that are hostile, broken or odd. What is wanted of a readable one: class ->
images."""

import io
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tests.core.hostile.entry import PHOTOS, Corpus, png, written
from tests.core.hostile.tables import zipped

ARRAYS = Corpus()
MiB = 1 << 20
X = np.random.default_rng(0).integers(0, 256, (8, 8, 8, 3), dtype=np.uint8)
Y = np.arange(8) % 2
TWO = {"0": 4, "1": 4}
HEADER = "{'descr': '|u1', 'fortran_order': False, 'shape': %s, }"


def npy(header: str, body: bytes = b"", version: bytes = b"\1\0", length: int | None = None) -> bytes:
    """An .npy of that header."""
    text = header.encode() + b"\n"
    size = struct.pack("<H" if version == b"\1\0" else "<L", len(text) if length is None else length)
    return b"\x93NUMPY" + version + size + text + body


def npz(**arrays: bytes | np.ndarray) -> bytes:
    """An .npz of arrays, or of the bytes of .npy files."""
    files: dict[str, bytes] = {}
    for name, array in arrays.items():
        buffer = io.BytesIO()
        if isinstance(array, bytes):
            files[f"{name}.npy"] = array
        else:
            np.save(buffer, array, allow_pickle=True)
            files[f"{name}.npy"] = buffer.getvalue()
    return zipped(files)


def shard(members: Mapping[str, bytes]) -> bytes:
    """A tar of members."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def samples(extension: str = "cls", label: Callable[[int], bytes] = lambda n: b"%d" % (n % 2)) -> dict[str, bytes]:
    """Eight samples of a shard."""
    return {
        name: data
        for number in range(8)
        for name, data in ((f"{number}.png", png(number)), (f"{number}.{extension}", label(number)))
    }


def cifar_pickle(program: bytes) -> bytes:
    """An official archive of CIFAR-10 whose batches are that pickle."""
    names = ("data_batch_1", "test_batch", "batches.meta")
    return shard({f"cifar-10-batches-py/{name}": program for name in names})


def laughs(depth: int, around: bytes = b"%s") -> bytes:
    """A pickle of a dictionary that holds one twice, that holds one twice, and so on."""
    steps = b"".join(b"}q%c(U\1ah%cU\1bh%cu" % (n + 1, n, n) for n in range(depth))
    return b"\x80\x02}q\x00" + around % steps + b"."


def _arrays(add: Callable[..., None]) -> None:
    def told(name: str, content: Callable[[], bytes], wanted: Any = None) -> None:
        add(f"npz: {name}", content, wanted, "data.npz")

    told("as it should be", lambda: npz(x=X, y=Y), TWO)
    told("objects", lambda: npz(x=X, y=np.array([{}] * 8, dtype=object)))
    told("a pickle as an array", lambda: npz(x=X, y=pickle.dumps([1, 2])))
    told(
        "a header of objects",
        lambda: npz(x=X, y=npy("{'descr': '|O', 'fortran_order': False, 'shape': (8,), }", pickle.dumps([1] * 8))),
    )
    told("a shape of 2**40", lambda: npz(x=npy(HEADER % f"({2**40}, 8, 8)"), y=Y))
    told("a shape of 2**62 x 4", lambda: npz(x=npy(HEADER % f"({2**62}, 4, 1)"), y=Y))
    told("a negative shape", lambda: npz(x=npy(HEADER % "(-8, -8, 8)", bytes(512)), y=Y))
    told("a shape of 1,000 sides", lambda: npz(x=npy(HEADER % ("(" + "1, " * 1000 + ")"), bytes(1)), y=Y))
    told("more bytes than its shape", lambda: npz(x=npy(HEADER % "(8, 2, 2)", bytes(999)), y=Y))
    told("a header of 2**32 bytes", lambda: npz(x=npy("{", version=b"\2\0", length=2**32 - 1), y=Y))
    told("a header that is a program", lambda: npz(x=npy("__import__('os').system('true')"), y=Y))
    told("a header of depth 5,000", lambda: npz(x=npy("(" * 5000 + ")" * 5000), y=Y))
    told("256 MiB of zeros", lambda: npz_of_zeros(256))
    told("NaN as pixels", lambda: npz(x=np.full((8, 8, 8), np.nan, dtype=np.float32), y=Y))
    told("complex pixels", lambda: npz(x=X.astype(np.complex64), y=Y))
    told("dates as labels", lambda: npz(x=X, y=np.zeros(8, dtype="datetime64[s]")))
    told("texts of 20 million characters as labels", lambda: npz(x=X, y=np.array(["a" * 1_000_000] * 4 + ["b"] * 4)))
    told("structures as pixels", lambda: npz(x=np.zeros((8, 8, 8), dtype=[("a", "u1")]), y=Y))
    told("a name that leads out", lambda: zipped({"../x.npy": b"", "y.npy": b""}))


def npz_of_zeros(mebibytes: int) -> bytes:
    """An .npz of zeros, packed."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("y.npy", npy(HEADER % "(8,)", bytes(8)))
        with archive.open("x.npy", "w") as out:
            out.write(npy(HEADER % f"({mebibytes * MiB // 64}, 8, 8)"))
            for _ in range(mebibytes):
                out.write(bytes(MiB))
    return buffer.getvalue()


def _shards(add: Callable[..., None]) -> None:
    def told(name: str, content: Callable[[], bytes], wanted: Any = None) -> None:
        add(f"shard: {name}", content, wanted, "flowers-000000.tar")

    told("as it should be", lambda: shard(samples()), TWO)
    told("json of depth 200,000", lambda: shard(samples("json", lambda _: b"[" * 200_000)))
    told("json of 400,000 lists", lambda: shard(samples("json", lambda _: b'{"label":[' + b"[]," * 300_000 + b"0]}")))
    told("a label of 2 MiB", lambda: shard(samples(label=lambda _: b"x" * (2 * MiB))))
    told("a label that is no text", lambda: shard(samples(label=lambda _: b"\xff\xfe\xfd")))
    told("no labels", lambda: shard({f"{n}.png": png(n) for n in range(8)}))
    told("two images a sample, of which the first counts", lambda: shard({**samples(), "0.jpg": png()}), TWO)
    told("a key that leads out", lambda: shard({**samples(), "../9.png": png(), "../9.cls": b"1"}))


def _pickles(add: Callable[..., None]) -> None:
    def told(name: str, program: Callable[[], bytes]) -> None:
        add(f"cifar: {name}", lambda: cifar_pickle(program()), None, "cifar-10-python.tar")

    told("os.system", lambda: b"cos\nsystem\n(S'true'\ntR.")
    told("bytes of 8 GiB", lambda: b"\x80\x02c__builtin__\nbytes\n\x8a\x05\0\0\0\0\2\x85R.")
    told("a dictionary of dictionaries", lambda: laughs(200))
    told("a class name of such", lambda: b"\x80\x02}(U\x0blabel_names]" + laughs(200)[2:-1] + b"au.")
    told("a call of such", lambda: laughs(200)[:-1] + b")R.")
    told("a codec of such", lambda: b"\x80\x02c_codecs\nencode\nX\1\0\0\0a" + laughs(200)[2:-1] + b"\x86R.")
    told(
        "a text that is copied 10,000 times",
        lambda: (
            b"\x80\x02]X"
            + struct.pack("<L", MiB)
            + b"a" * MiB
            + b"q\x01"
            + b"0("
            + b"c_codecs\nencode\nh\x01U\x06latin1\x86R" * 10_000
            + b"e."
        ),
    )
    told(
        "an array that is copied 10,000 times",
        lambda: (
            b"\x80\x05\x96"
            + struct.pack("<Q", MiB)
            + bytes(MiB)
            + b"\x94"
            + b"0("
            + b"cnumpy.core.numeric\n_frombuffer\n(h\0cnumpy\ndtype\nU\2u1\x85RJ\0\0\x10\0\x85U\1CtR" * 10_000
            + b"l."
        ),
    )
    told("50 million opcodes", lambda: b"\x80\x02" + b"N0" * 25_000_000 + b"N.")
    told("a list that appends to itself", lambda: b"\x80\x02]q\0" + b"h\0a" * 1000 + b".")
    told("a huge number", lambda: b"\x80\x02\x8b" + struct.pack("<l", 3_000_000) + b"\x7f" * 3_000_000 + b".")


def _folder(folder: Path) -> Path:
    for name, data in PHOTOS.items():
        written(folder / "set" / name, data)
    (folder / "set/ants/9.png").symlink_to("/etc/passwd")
    return folder / "set"


def _looped(folder: Path) -> Path:
    _folder(folder)
    (folder / "set/ants/9.png").unlink()
    (folder / "set/ants/again").symlink_to("..")
    return folder / "set"


def _add_all() -> None:
    def add(name: str, content: Callable[[], bytes], wanted: Any = None, file_name: str = "photos.zip") -> None:
        ARRAYS.add_bytes(name, file_name, content, wanted)

    for group in (_arrays, _shards, _pickles):
        group(add)
    ARRAYS.add("folder: a link out", _folder)
    ARRAYS.add("folder: a link to its parent", _looped)


_add_all()
