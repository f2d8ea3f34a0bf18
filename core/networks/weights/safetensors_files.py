"""Safetensors: one file, or several that an index names."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from core.errors import TeacherLoadFailed

# The safetensors format allows no longer header.
MAX_HEADER_BYTES = 100_000_000
HEADER_LENGTH_BYTES = 8
FETCH_AGAIN = "the download may have been cut short; fetch the file again"


# Of a header or an index: one of 100,000 tensors has a tenth of so many values.
MAX_VALUES = 8_000_000


def parsed(text: bytes) -> Any:
    """The JSON; raises ValueError also for one of so many values that they would fill the memory."""
    if sum(text.count(mark) for mark in (b",", b":", b"[", b"{")) > MAX_VALUES:
        raise ValueError("it holds too many values")
    return json.loads(text)


def is_safetensors(head: bytes) -> bool:
    """Whether a file begins so: the length of its header, then the header, which is a JSON object."""
    return head[HEADER_LENGTH_BYTES : HEADER_LENGTH_BYTES + 1] == b"{"


def read_safetensors(path: Path, pointer: str) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """The tensors (on the CPU) and the metadata of one file; raises TeacherLoadFailed."""
    check_header(path, pointer)
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            return {key: file.get_tensor(key) for key in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise TeacherLoadFailed(f"{path.name} is no valid safetensors file: {error}", pointer=pointer) from error


def check_header(path: Path, pointer: str) -> None:
    """Refuse a header that is too long or no JSON, or tensors that do not tile the file, before allocating."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(HEADER_LENGTH_BYTES), "little")
        if length > min(MAX_HEADER_BYTES, size - HEADER_LENGTH_BYTES):
            raise _broken(path, pointer, f"its header claims {length} bytes, the file has {size}")
        try:
            header = parsed(file.read(length))
            offsets = [entry["data_offsets"] for key, entry in header.items() if key != "__metadata__"]
            spans = sorted((int(start), int(end)) for start, end in offsets)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise _broken(path, pointer, "its header is not what the format says") from error
    place = 0
    for start, end in spans:
        if start != place or end < start:
            raise _broken(path, pointer, f"a tensor starts at byte {start}, the one before ends at {place}")
        place = end
    if place != size - HEADER_LENGTH_BYTES - length:
        raise _broken(path, pointer, f"its tensors end at byte {place} of {size - HEADER_LENGTH_BYTES - length}")


def _broken(path: Path, pointer: str, why: str) -> TeacherLoadFailed:
    return TeacherLoadFailed(f"{path.name} is no valid safetensors file: {why}", hint=FETCH_AGAIN, pointer=pointer)


def shards_of(path: Path, pointer: str) -> list[Path] | None:
    """The files that an index (`model.safetensors.index.json`) names, beside it; None where the file is no index.

    Raises TeacherLoadFailed for a shard that is missing, or that a name places anywhere else than in the same folder.
    """
    weight_map = _weight_map(path)
    if weight_map is None:
        return None
    names = sorted({str(name) for name in weight_map.values()})
    for name in names:
        if Path(name).name != name or not (path.parent / name).resolve().is_relative_to(path.parent.resolve()):
            raise TeacherLoadFailed(
                f"{path.name} names {name[:80]!r}, which is no file of its own folder", pointer=pointer
            )
    missing = [name for name in names if not (path.parent / name).is_file()]
    if missing or not names:
        listed = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
        raise TeacherLoadFailed(
            f"{path.name} is the index of {len(names)} files of weights, and {listed or 'none'} is beside it",
            hint="name the folder that holds the index and its files, or save the weights as one file",
            pointer=pointer,
        )
    return [path.parent / name for name in names]


def _weight_map(path: Path) -> dict[str, str] | None:
    if path.stat().st_size > MAX_HEADER_BYTES:
        return None
    with path.open("rb") as file:
        if file.read(64).lstrip()[:1] != b"{":
            return None
    try:
        content = parsed(path.read_bytes())
    except (ValueError, RecursionError):
        return None
    weight_map = content.get("weight_map") if isinstance(content, dict) else None
    return weight_map if isinstance(weight_map, dict) else None
