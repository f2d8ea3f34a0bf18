"""What README.md tells a reader to type works as written."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from client.cli import app
from core.networks.zoo import build
from core.results.export import export_model

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
SNIPPETS = [text for _, text in BLOCKS if text.startswith("python -c")]


@pytest.fixture(scope="module")
def downloaded(tmp_path_factory):
    """A folder with the model files of a torchvision student."""
    folder = tmp_path_factory.mktemp("downloaded")
    torch.manual_seed(0)
    network = build("torchvision/shufflenet_v2_x0_5", 3, image_size=32)
    images = torch.randint(0, 256, (8, 3, 32, 32), dtype=torch.uint8)
    preprocessing = {"image_size": network.input.size}
    export_model(
        network,
        folder,
        classes=("a", "b", "c"),
        preprocessing=preprocessing,
        sample_images=images,
        views=lambda pixels: pixels.float() / 255,
    )
    (folder / "preprocessing.json").write_text(json.dumps(preprocessing))
    return folder


@pytest.mark.parametrize("snippet", SNIPPETS, ids=["onnx", "safetensors"])
def test_a_downloaded_model_loads_without_retort(downloaded, snippet):
    command = snippet.replace("python -c", f"{sys.executable} -c", 1)
    done = subprocess.run(["bash", "-c", command], cwd=downloaded, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "onnx" not in snippet or done.stdout.startswith("[[")


def test_every_command_and_option_exists():
    commands = {info.callback.__name__: info.callback for info in app.registered_commands}
    used = re.findall(r"\.venv/bin/retort (\w+)((?:[^\n]*\\\n)*[^\n`]*)", TEXT)
    assert len(used) >= 4
    for name, rest in used:
        assert name in commands
        shown = subprocess.run(
            [sys.executable, "-m", "client.cli", name, "--help"], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout
        for option in re.findall(r"(--[a-z-]+)", rest):
            assert option in shown, f"{name} {option}"


def test_every_file_that_is_named_exists():
    named = set(re.findall(r"`((?:tests|core|requirements)/[\w/.]+)`", TEXT + (ROOT / "CONTRIBUTING.md").read_text()))
    assert len(named) > 5
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_make_targets_exist():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`?\bmake ([a-z]+)\b", TEXT)) <= targets
