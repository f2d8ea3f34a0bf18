"""The trained network as files that need no Retort: model.safetensors and model.onnx.

No ONNX file is published before it has given torch's answers on the whole test split.
"""

import copy
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from safetensors.torch import save
from torch import Tensor

from core.evaluate import Views
from core.networks.network import Network
from core.onnx_file import describe, write_onnx
from core.parity import check_parity
from core.whole_file import whole_file


def export_model(
    network: Network,
    folder: Path,
    *,
    classes: Sequence[str],
    preprocessing: Mapping[str, Any],
    sample_images: Tensor,
    views: Views,
    exports: Sequence[str] = ("safetensors", "onnx"),
) -> list[Path]:
    """Write the files named in `exports` into `folder`; each is there whole or not at all.

    `sample_images` (uint8 N 3 S S, the test split) go through `views`, the network's own normalization, torch and
    onnxruntime: core.parity says what must agree. Raises ExportParityFailed where they differ.
    `network` stays as it is.
    """
    deployed = copy.deepcopy(network).cpu().float().eval()
    paths = []
    if "safetensors" in exports:
        paths.append(write_safetensors(deployed, folder / "model.safetensors", classes))
    if "onnx" in exports:
        path = folder / "model.onnx"
        with whole_file(path) as temporary:
            write_onnx(deployed, temporary)
            parity = check_parity(deployed, temporary, sample_images, views)
            describe(
                temporary,
                architecture=network.architecture,
                classes=list(classes),
                preprocessing=dict(preprocessing),
                parity=parity.as_json(),
            )
        paths.append(path)
    return paths


def write_safetensors(network: Network, path: Path, classes: Sequence[str]) -> Path:
    """The state dict of the wrapped module under its own keys, so that torchvision, timm and plain code load it.

    The header says which network it is and what its outputs mean; core.networks.teacher reads it.
    """
    header = {
        "retort": "1",
        "format": "pt",  # transformers and timm ask for it
        "architecture": network.architecture,
        "num_classes": str(network.num_classes),
        "classes": json.dumps(list(classes), ensure_ascii=False),
        "image_size": str(network.input.size),
        "mean": json.dumps(list(network.input.mean)),
        "std": json.dumps(list(network.input.std)),
    }
    # Cloned, because safetensors refuses tensors that share memory and some networks tie weights.
    tensors = {key: value.detach().cpu().clone().contiguous() for key, value in network.module.state_dict().items()}
    with whole_file(path) as temporary:
        # Not save_file, which would make it unreadable to other users.
        temporary.write_bytes(_in_order(save(tensors, metadata=header)))
    return path


def _in_order(serialized: bytes) -> bytes:
    """The same safetensors bytes with the header's keys sorted: the library shuffles the metadata, and equal weights
    should have equal sha256. Offsets count from the header's end, so they stay true."""
    size = int.from_bytes(serialized[:8], "little")
    header = json.dumps(json.loads(serialized[8 : 8 + size]), sort_keys=True, ensure_ascii=False).encode()
    header += b" " * (-len(header) % 8)  # the format aligns the tensors to 8 bytes with spaces
    return len(header).to_bytes(8, "little") + header + serialized[8 + size :]
