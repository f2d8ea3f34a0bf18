"""What docs/how-to/use-the-model.md tells a reader to type loads a model without Retort."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from fences import ROOT, Block, blocks

from core.networks.zoo import build
from core.results.export import export_model

SNIPPETS = [
    block for block in blocks(ROOT / "docs/how-to/use-the-model.md") if block.text.lstrip().startswith("python -c")
]


@pytest.fixture(scope="module")
def downloaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the model files of a torchvision student."""
    folder = tmp_path_factory.mktemp("downloaded")
    torch.manual_seed(0)
    network = build("torchvision/shufflenet_v2_x0_5", 3, image_size=32)
    preprocessing = {"image_size": network.input.size}
    export_model(
        network,
        folder,
        classes=("a", "b", "c"),
        preprocessing=preprocessing,
        sample_images=torch.randint(0, 256, (8, 3, 32, 32), dtype=torch.uint8),
        views=lambda pixels: pixels.float() / 255,
    )
    (folder / "preprocessing.json").write_text(json.dumps(preprocessing))
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("snippet", SNIPPETS, ids=["onnx", "safetensors"])
def test_a_downloaded_model_loads_without_retort(downloaded: Path, snippet: Block) -> None:
    command = snippet.text.replace("python -c", f"{sys.executable} -c", 1)
    done = subprocess.run(["bash", "-c", command], cwd=downloaded, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "onnx" not in command or done.stdout.startswith("[[")
