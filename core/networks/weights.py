"""Weights files as dictionaries of tensors, read as untrusted: safetensors, or a state dict under weights_only."""

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from core.errors import TeacherLoadFailed
from core.networks.fit import fit
from core.networks.network import Network
from core.policy import Policy

# The safetensors format allows no longer header.
MAX_HEADER_BYTES = 100_000_000
HEADER_LENGTH_BYTES = 8
# Under which key training programs keep the state dict, the averaged weights first.
WRAPPERS = ("state_dict_ema", "model_ema", "state_dict", "model_state_dict", "model", "net", "module", "teacher")


def load_state(
    network: Network, state: dict[str, torch.Tensor], *, strict_head: bool, source: str, pointer: str
) -> None:
    """Load all of a state dict or nothing; `source` and `pointer` name it in the errors."""
    fitted = fit(network, state, strict_head=strict_head, source=source, pointer=pointer)
    network.module.load_state_dict(fitted)


def read_weights(
    path: Path, *, policy: Policy, pointer: str = "/teacher/weights"
) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """The tensors (on the CPU) and the metadata of a safetensors file; a pickled state dict has no metadata."""
    try:
        with path.open("rb") as file:
            head = file.read(HEADER_LENGTH_BYTES + 1)
    except OSError as error:
        raise TeacherLoadFailed(f"cannot read {path.name}: {error.strerror}", pointer=pointer) from error
    if head[HEADER_LENGTH_BYTES:] == b"{":
        return _read_safetensors(path, pointer)
    return _read_pickle(path, policy, pointer), {}


def _read_safetensors(path: Path, pointer: str) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
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
            header = json.loads(file.read(length))
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
    hint = "the download may have been cut short; fetch the file again"
    return TeacherLoadFailed(f"{path.name} is no valid safetensors file: {why}", hint=hint, pointer=pointer)


def _read_pickle(path: Path, policy: Policy, pointer: str) -> dict[str, torch.Tensor]:
    if not policy.pickled_weights:
        raise TeacherLoadFailed(
            f"{path.name} is no safetensors file, and this server reads no pickled state dicts",
            hint="convert it: safetensors.torch.save_file(state_dict, 'model.safetensors')",
            pointer=pointer,
        )
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load raises many kinds on foreign bytes
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise TeacherLoadFailed(
            f"{path.name} is neither safetensors nor a state dict that torch reads under weights_only: {first}",
            hint="save it as torch.save(model.state_dict(), path) or as safetensors; whole pickled models are refused",
            pointer=pointer,
        ) from error
    return _state_dict(content, path, pointer)


def _state_dict(content: object, path: Path, pointer: str) -> dict[str, torch.Tensor]:
    """The state dict in what a training program saved, through at most two wrappers."""
    for _ in range(3):
        if isinstance(content, nn.Module) or not isinstance(content, dict):
            break
        tensors = {str(key): value for key, value in content.items() if isinstance(value, torch.Tensor)}
        inner = next((content[key] for key in WRAPPERS if isinstance(content.get(key), dict)), None)
        if inner is None and tensors:
            return tensors
        content = inner
    raise TeacherLoadFailed(
        f"{path.name} holds no state dict: neither tensors by name nor one of {', '.join(WRAPPERS)}", pointer=pointer
    )
