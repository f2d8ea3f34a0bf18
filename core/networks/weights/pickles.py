"""Files of torch.save, read under `weights_only`: nothing in them is executed."""

import io
import pickletools
import re
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import torch

from core.errors import TeacherLoadFailed
from core.networks.weights.stand_ins import safe_globals
from core.policy import Policy

LISTED = 3
MAX_TEXT = 200
FREE_BYTES = 16 << 20  # that the members of a file may take beyond its size
MAX_PICKLE_BYTES = 32 << 20  # of the objects beside the tensors' numbers
# Before torch 1.6 a file was a series of pickles, the first of which is this number.
LEGACY_MAGIC = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19"
PICKLE_HEADS = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
ANSI = re.compile(r"\x1b\[[0-9;]*m")
REFUSED_NAME = re.compile(r"GLOBAL ([\w.]+)")
TRUST = "Where you trust the file, convert it in the environment that wrote it"


def is_pickle(path: Path, head: bytes) -> bool:
    """Whether the file is a zip archive of torch.save or begins as a pickle; `head` is its first bytes."""
    if head.startswith(PICKLE_HEADS):
        return True
    return zipfile.is_zipfile(path) and any(name.endswith("/data.pkl") for name in _names(path))


def read_pickle(path: Path, policy: Policy, pointer: str) -> object:
    """What was saved, its tensors on the CPU, other objects as core.networks.weights.stand_ins has them.

    Raises TeacherLoadFailed, which names the classes in the way, for a file that holds others or is damaged.
    """
    if not policy.pickled_weights:
        raise TeacherLoadFailed(
            f"{path.name} is no safetensors file, and this server reads no pickled state dicts",
            hint="convert it: safetensors.torch.save_file(state_dict, 'model.safetensors')",
            pointer=pointer,
        )
    if any(name.endswith("/constants.pkl") for name in _names(path)):
        raise TeacherLoadFailed(
            f"{path.name} is a TorchScript archive: a program with its weights, and programs are not run",
            hint="save its weights: torch.save(torch.jit.load('old.pt').state_dict(), 'weights.pth')",
            pointer=pointer,
        )
    _check_unpacked(path, pointer)
    names = sorted(_globals(path))
    try:
        with torch.serialization.safe_globals(safe_globals(names)), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's advice on protocols and pickles is for programmers
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load raises many kinds on foreign bytes
        raise _refusal(path, names, str(error) or type(error).__name__, pointer) from error


def _check_unpacked(path: Path, pointer: str) -> None:
    """Refuse a zip archive that unpacks to more than it holds, which torch.save never writes, or to a huge pickle."""
    try:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return  # an old file, or one that torch refuses
    size = path.stat().st_size
    unpacked = sum(info.file_size for info in infos)
    pickled = sum(info.file_size for info in infos if info.filename.endswith(".pkl"))
    if unpacked > size + FREE_BYTES or pickled > MAX_PICKLE_BYTES:
        raise TeacherLoadFailed(
            f"{path.name} has {size} bytes and unpacks to {unpacked}, of which {pickled} are objects; a file of "
            "torch.save unpacks to its own size",
            hint=f"{TRUST}: torch.save(torch.load({path.name!r}, weights_only=True), 'weights.pth')",
            pointer=pointer,
        )


def _refusal(path: Path, names: list[str], told: str, pointer: str) -> TeacherLoadFailed:
    unknown = _unknown(path, names, told)
    if unknown:
        is_model = any(_is_module(name) for name in unknown)
        what = "a whole pickled model" if is_model else "an object that is not read"
        part = ".state_dict()" if is_model else "['state_dict']"
        more = f" and {len(unknown) - LISTED} more" if len(unknown) > LISTED else ""
        return TeacherLoadFailed(
            f"{path.name} holds {what} ({', '.join(unknown[:LISTED])}{more}); only tensors and plain data are read "
            "(weights_only)",
            hint=f"{TRUST}: content = torch.load({path.name!r}, weights_only=False); "
            f"torch.save(content{part}, 'weights.pth')",
            pointer=pointer,
        )
    return TeacherLoadFailed(
        f"{path.name} is no state dict that torch reads under weights_only: {_reason(path, told)}",
        hint="save it as torch.save(model.state_dict(), path) or as safetensors",
        pointer=pointer,
    )


def _reason(path: Path, told: str) -> str:
    head = _head(path)
    if head.startswith(PICKLE_HEADS) and LEGACY_MAGIC not in head:
        return "it is a plain pickle, not a file of torch.save"
    if "Unsupported operand" in told:
        return "it was saved with another pickle protocol than 2, the default of torch.save"
    if "central directory" in told or "Ran out of input" in told or "EOF" in told or "unexpected" in told.lower():
        return "it is damaged or cut short; fetch it again"
    lines = ANSI.sub("", told).strip().splitlines()
    return lines[0][:MAX_TEXT] if lines else "it is damaged"


def _unknown(path: Path, names: list[str], told: str) -> list[str]:
    """The globals of the file that stood in the way, as `module.name`, those of torch last."""
    with torch.serialization.safe_globals(safe_globals(names)):
        try:
            found = torch.serialization.get_unsafe_globals_in_checkpoint(path)
            return sorted(found, key=lambda name: (name.startswith("torch."), name))
        except Exception:  # no zip archive, another protocol, or damaged: what torch stopped at is all that is known
            stopped = REFUSED_NAME.findall(ANSI.sub("", told))
    return stopped[:1] or _of_plain_pickle(path, names)


def _of_plain_pickle(path: Path, names: list[str]) -> list[str]:
    """The names in a pickle that torch did not write: torch itself refuses it without naming any."""
    head = _head(path)
    is_plain = head.startswith(PICKLE_HEADS) and LEGACY_MAGIC not in head
    return names if is_plain else []


def _is_module(name: str) -> bool:
    """Whether a class is one of a network: torch's own layers, or a class of a library of networks."""
    return name.startswith(("torch.nn.modules.", "torch.nn.parallel.", "torchvision.models.", "timm.models."))


def _globals(path: Path) -> set[str]:
    """Every `module.name` in the file's pickles. They are disassembled, not run; a damaged file gives fewer."""
    found: set[str] = set()
    try:
        for content in _pickles(path):
            found.update(_globals_in(content))
    except Exception:  # whatever a damaged file raises: reading it properly gives the error
        return found
    return found


def _pickles(path: Path) -> Iterator[IO[bytes]]:
    """The pickles of a file: one in a zip archive, several one behind the other in an old file."""
    for name in _names(path):
        if name.endswith("/data.pkl"):
            with zipfile.ZipFile(path) as archive:
                yield io.BytesIO(archive.read(name))
            return
    with path.open("rb") as file:
        while file.peek(1)[:1] == b"\x80":
            yield file


def _globals_in(content: IO[bytes]) -> Iterator[str]:
    strings: list[str] = []
    for opcode, argument, _ in pickletools.genops(content):
        if opcode.name == "GLOBAL":
            yield _current(*str(argument).split(" ", 1))
        elif opcode.name == "STACK_GLOBAL" and len(strings) > 1:
            yield _current(*strings[-2:])
        elif isinstance(argument, str):
            strings = [*strings[-1:], argument]


def _current(module: str, name: str) -> str:
    """The name in Python 3, as torch's unpickler looks it up."""
    mapped = torch._weights_only_unpickler.NAME_MAPPING.get((module, name))
    if mapped is None:
        mapped = torch._weights_only_unpickler.IMPORT_MAPPING.get(module, module), name
    return ".".join(mapped)


def _names(path: Path) -> list[str]:
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()
    except (zipfile.BadZipFile, OSError):
        return []


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(64)
