"""Weights files as dictionaries of tensors, read as untrusted: safetensors, or what torch.save wrote."""

from pathlib import Path

import torch

from core.errors import TeacherLoadFailed
from core.networks.weights.foreign import refuse_foreign
from core.networks.weights.pickles import is_pickle, read_pickle
from core.networks.weights.safetensors_files import is_safetensors, read_safetensors, shards_of
from core.networks.weights.tree import tensors_of
from core.policy import Policy

HEAD_BYTES = 64


def read_weights(
    path: Path, *, policy: Policy, pointer: str = "/teacher/weights"
) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """All tensors of a file by name, on the CPU, and the metadata of a safetensors file (else none).

    A checkpoint of dictionaries inside each other gives names joined by dots: `model.conv1.weight`. The index of
    several files gives the tensors of all of them. Raises TeacherLoadFailed, which names what the file holds instead.
    """
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError as error:
        raise TeacherLoadFailed(f"cannot read {path.name}: {error.strerror}", pointer=pointer) from error
    shards = shards_of(path, pointer)
    if shards is None:
        return _read_one(path, head, policy, pointer)
    state: dict[str, torch.Tensor] = {}
    metadata: dict[str, str] = {}
    for shard in shards:
        with shard.open("rb") as file:
            part, told = _read_one(shard, file.read(HEAD_BYTES), policy, pointer)
        state |= part
        metadata |= told
    return state, metadata


def _read_one(path: Path, head: bytes, policy: Policy, pointer: str) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    if is_safetensors(head):
        return read_safetensors(path, pointer)
    if not is_pickle(path, head):
        raise refuse_foreign(path, pointer)
    return tensors_of(read_pickle(path, policy, pointer), source=path.name, pointer=pointer), {}
