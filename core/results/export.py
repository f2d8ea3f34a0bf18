"""The trained network as files that need no Retort: model.safetensors and model.onnx.

No ONNX file is published before it has given torch's answers on the whole test split.
"""

import copy
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from core.data.image_file import Images
from core.evaluation.predict import Views
from core.files.atomic import atomic_path
from core.networks.network import Network
from core.networks.serialized import to_safetensors
from core.results.onnx import describe, write_onnx
from core.results.parity import check_parity


def export_model(
    network: Network,
    folder: Path,
    *,
    classes: Sequence[str],
    preprocessing: Mapping[str, Any],
    sample_images: Images,
    views: Views,
    exports: Sequence[str] = ("safetensors", "onnx"),
    written: Path | None = None,
) -> list[Path]:
    """Write the files named in `exports` into `folder`; each is there whole or not at all.

    `sample_images` (uint8 N 3 S S, the test split) go through `views`, the network's own normalization, torch and
    onnxruntime: core.results.parity says what must agree. Raises ExportParityFailed where they differ.
    `network` stays as it is. `written`: an ONNX file of it, where there is one already.
    """
    deployed = copy.deepcopy(network).cpu().float().eval()
    paths = []
    if "safetensors" in exports:
        paths.append(write_safetensors(deployed, folder / "model.safetensors", classes))
    if "onnx" in exports:
        path = folder / "model.onnx"
        with atomic_path(path) as temporary:
            if written is not None:
                shutil.copyfile(written, temporary)
            else:
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
    """The network's file of weights, whole or not at all; core.networks.serialized says what is in it."""
    with atomic_path(path) as temporary:
        # Not save_file, which would make it unreadable to other users.
        temporary.write_bytes(to_safetensors(network, classes))
    return path
