"""The model card's snippets, run as a stranger would: no Retort, only the files of one folder."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from core.data.augment import Augmenter
from core.data.images import pixels_of
from core.networks.zoo import build
from core.results.export import export_model
from core.results.report import Outcome, describe_preprocessing, write_report

pytestmark = pytest.mark.slow

CLASSES = ("cup", "bottle", "Äpfel")
# Importing Retort fails here, as it does where it is not installed.
WITHOUT_RETORT = "import sys\nfor name in ('core', 'store', 'api', 'worker', 'retort'): sys.modules[name] = None\n"


@pytest.fixture(
    scope="module",
    params=[("torchvision/resnet18", 55, 48, 48), ("cifar/resnet8", 32, 32, 32), ("cifar/resnet8", 20, 16, 24)],
    ids=["crop", "plain", "another size"],
)
def published(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, make_outcome: Callable[..., Outcome]
) -> tuple[Any, ...]:
    """A folder with all artifacts and a photograph-shaped PNG, its network, and the pixels that Retort makes of it."""
    architecture, canvas_size, image_size, network_size = request.param
    folder = tmp_path_factory.mktemp("artifacts")
    torch.manual_seed(5)
    network = build(architecture, len(CLASSES), image_size=network_size)
    augmenter = Augmenter("none", image_size)
    images = torch.randint(0, 256, (24, 3, canvas_size, canvas_size)).byte()
    with torch.no_grad():
        network.train()(augmenter.test_views(images))
    preprocessing = describe_preprocessing(network.input, canvas_size=canvas_size, image_size=image_size)
    export_model(
        network, folder, classes=CLASSES, preprocessing=preprocessing, sample_images=images, views=augmenter.test_views
    )
    outcome = make_outcome(CLASSES)
    student = outcome.student.model_copy(update={"architecture": architecture})
    write_report(replace(outcome, student=student, preprocessing=preprocessing), folder)
    photo = np.random.default_rng(0).integers(0, 256, (120, 90, 3), dtype=np.uint8)
    Image.fromarray(photo).save(folder / "image.png")
    pixels = pixels_of((folder / "image.png").read_bytes(), canvas_size, 10**9)
    return folder, network.eval(), augmenter.test_views(torch.from_numpy(pixels.copy())[None])


def snippets(folder: Path) -> Any:
    return re.findall(r"```python\n(.*?)```", (folder / "model_card.md").read_text(), flags=re.DOTALL)


def run_alone(code: Any, folder: Path) -> Any:
    done = subprocess.run(
        [sys.executable, "-I", "-c", WITHOUT_RETORT + code], cwd=folder, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_onnx_snippet_names_the_class_that_the_network_chose(published: Any) -> None:
    folder, network, views = published
    code, _ = snippets(folder)
    class_name, logits = run_alone(f"{code}\nprint(logits.tolist())", folder).splitlines()
    with torch.no_grad():
        expected = network(views)
    np.testing.assert_allclose(json.loads(logits), expected.numpy(), atol=2e-3)
    assert class_name == CLASSES[int(expected.argmax())]


def test_the_safetensors_snippet_gives_the_networks_weights(published: Any) -> None:
    folder, network, _ = published
    _, code = snippets(folder)
    state = "model.state_dict()" if "torchvision" in network.architecture else "state_dict"
    told = run_alone(f"{code}\nprint(sum(value.double().sum().item() for value in {state}.values()))", folder)
    expected = sum(value.double().sum().item() for value in network.module.state_dict().values())
    assert float(told) == pytest.approx(expected, rel=1e-9)
