"""A network as the bytes of a safetensors file, which core.networks.teacher reads."""

import json
from collections.abc import Sequence

from safetensors.torch import save

from core.networks.network import Network


def to_safetensors(network: Network, classes: Sequence[str]) -> bytes:
    """The state dict of the wrapped module under its own keys, so that torchvision, timm and plain code load it.

    The header names the architecture and the classes of the outputs; `classes` may be empty if they are not known.
    Equal weights give equal bytes.
    """
    header = {
        "retort": "1",
        "format": "pt",  # transformers and timm require it
        "architecture": network.architecture,
        "num_classes": str(network.num_classes),
        "image_size": str(network.input.size),
        "mean": json.dumps(list(network.input.mean)),
        "std": json.dumps(list(network.input.std)),
    }
    if classes:
        header["classes"] = json.dumps(list(classes), ensure_ascii=False)
    # Cloned, because safetensors refuses tensors that share memory and some networks tie weights.
    tensors = {key: value.detach().cpu().clone().contiguous() for key, value in network.module.state_dict().items()}
    return _in_order(save(tensors, metadata=header))


def _in_order(serialized: bytes) -> bytes:
    """The same safetensors bytes with the header's keys sorted. The library writes the metadata in random order, but
    equal weights must have equal sha256. Offsets count from the end of the header, so they stay valid.
    """
    size = int.from_bytes(serialized[:8], "little")
    header = json.dumps(json.loads(serialized[8 : 8 + size]), sort_keys=True, ensure_ascii=False).encode()
    header += b" " * (-len(header) % 8)  # the format aligns the tensors to 8 bytes with spaces
    return len(header).to_bytes(8, "little") + header + serialized[8 + size :]
