"""How much a fitted classifier alone is worth on photographs: published networks, frozen, with a linear probe.

    python benchmarks/linear_probes.py --data ../shared/data

Prints a table: test top-1 with the central crop of the engine's test views, and with the whole frame.
"""

import argparse
import tempfile
from pathlib import Path

import torch

from core.data.augment import Augmenter
from core.data.dataset import Dataset, open_dataset
from core.evaluation.linear_probe import fit_classifier
from core.evaluation.predict import predict
from core.files.result_cache import ResultCache
from core.networks.head import replace_head
from core.networks.teacher import load_teacher
from core.policy import Policy
from core.spec import DatasetSpec, TeacherSpec
from core.system.memory import keep_freed_memory
from core.system.workspace import Workspace

SIZE = 224
NETWORKS = {
    "tensorflow/mobilenet_v1_075": "mobilenet_v1_075_224_imagenet1k.pt",
    "timm/tf_efficientnet_lite0": "tf_efficientnet_lite0_imagenet1k.safetensors",
    "timm/tf_efficientnet_lite2": "tf_efficientnet_lite2_imagenet1k.safetensors",
}


def main() -> None:
    """Fit a classifier for each network and each kind of view."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with waste_224px_jpeg.zip and weights/")
    options = parser.parse_args()
    data = options.data.resolve()
    keep_freed_memory()
    print("| network | central crop | whole frame |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder), Path(folder), None, Policy())
        spec = DatasetSpec(uri=(data / "waste_224px_jpeg.zip").as_uri())
        dataset = open_dataset(spec, workspace, seed=0).decode(SIZE)
        for architecture, file in NETWORKS.items():
            teacher = TeacherSpec(architecture=architecture, weights=(data / "weights" / file).as_uri())
            scores = [_score(teacher, dataset, size, workspace) for size in (SIZE, dataset.canvas_size)]
            print(f"| {architecture} | {scores[0]:.1%} | {scores[1]:.1%} |", flush=True)


def _score(spec: TeacherSpec, dataset: Dataset, size: int, workspace: Workspace) -> float:
    """Test top-1 with views of `size` pixels of the decoded canvas, which the network resizes to its own input."""
    network = replace_head(load_teacher(spec, workspace).network, len(dataset.classes))
    views = Augmenter("none", size).test_views
    cache = ResultCache(workspace.cache / str(size))
    device = torch.device("cpu")
    fit_classifier(network, dataset.train, fingerprint=f"{size}", views=views, device=device, result_cache=cache)
    answers = predict(network, dataset.test.images, views=views).argmax(dim=1)
    return (answers == dataset.test.labels).double().mean().item()


if __name__ == "__main__":
    main()
