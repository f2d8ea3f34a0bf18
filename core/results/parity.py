"""Compares the outputs of an ONNX file with those of its network, over a whole split."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import onnxruntime
import torch
from torch import Tensor

from core.data.image_file import Images
from core.errors import ExportParityFailed
from core.evaluation.latency import open_session
from core.evaluation.predict import Views
from core.networks.network import Network
from core.networks.trace import logits_of

TOLERANCE = 1e-4
BATCH_SIZE = 64
NUM_SINGLES = 4  # images that are also run one by one, because batch 1 uses other kernels


@dataclass(frozen=True)
class Parity:
    """The differences between onnxruntime and torch, both on the CPU in float32.

    A difference is divided by the image's largest absolute logit if that exceeds 1, because float32 errors grow with
    the values. `num_ties` counts images whose two best logits differ by less than the tolerance, and for which
    onnxruntime chose the other class.
    """

    max_difference: float
    tolerance: float
    num_images: int
    num_ties: int
    runtime: str

    def as_json(self) -> dict[str, Any]:
        """The facts as a JSON object."""
        return asdict(self)


def check_parity(network: Network, onnx_path: Path, images: Images, views: Views) -> Parity:
    """Run uint8 `images` N 3 S S through both, `network` in eval mode on the CPU.

    Raises ExportParityFailed if a scaled difference exceeds TOLERANCE, or a top-1 class differs without a tie.
    """
    session = open_session(onnx_path)
    worst, num_ties = 0.0, 0
    with torch.inference_mode():
        for first in range(0, len(images), BATCH_SIZE):
            normalized = network.prepare(views(images[first : first + BATCH_SIZE].cpu()))
            expected = logits_of(network.module(normalized))
            answers = [_run(session, normalized)]
            if first == 0:
                singles = [
                    _run(session, normalized[place : place + 1]) for place in range(len(normalized))[:NUM_SINGLES]
                ]
                answers.append(torch.cat(singles))
            for actual in answers:
                difference, ties = compare(expected[: len(actual)], actual, first, network.architecture)
                worst, num_ties = max(worst, difference), num_ties + ties * (actual is answers[0])
    return Parity(worst, TOLERANCE, len(images), num_ties, f"onnxruntime {onnxruntime.__version__}")


def compare(expected: Tensor, actual: Tensor, first: int, architecture: str) -> tuple[float, int]:
    """Largest scaled difference and number of ties of logits N K; `first` is the index of row 0, for the message."""
    if actual.shape != expected.shape:
        raise _failed(architecture, f"logits have shape {tuple(actual.shape)}, torch's have {tuple(expected.shape)}")
    scale = expected.abs().amax(dim=1).clamp(min=1)
    differences = (actual - expected).abs().amax(dim=1) / scale
    bad = (~(differences <= TOLERANCE)).nonzero().flatten().tolist()  # `not <=`: a NaN is bad too
    if bad:
        worst = f"{differences[bad[0]].item():.3g} of their scale on test image {first + bad[0]}"
        raise _failed(architecture, f"logits differ by {worst}; allowed: {TOLERANCE:g}")
    other = actual.argmax(dim=1) != expected.argmax(dim=1)
    tied = _margin(expected) <= 2 * TOLERANCE * scale  # either logit may have moved by the tolerance
    if bool((other & ~tied).any()):
        place = int((other & ~tied).nonzero()[0])
        raise _failed(architecture, f"top-1 differs on test image {first + place}, where torch saw no tie")
    return float(differences.max()), int((other & tied).sum())


def _margin(logits: Tensor) -> Tensor:
    best = logits.topk(min(2, logits.shape[1]), dim=1).values
    return best[:, 0] - best[:, -1]


def _run(session: onnxruntime.InferenceSession, normalized: Tensor) -> Tensor:
    feed = {session.get_inputs()[0].name: normalized.contiguous().numpy()}
    return torch.from_numpy(session.run(None, feed)[0])


def _failed(architecture: str, what: str) -> ExportParityFailed:
    return ExportParityFailed(
        f"{architecture} as ONNX does not answer as it does in torch: {what}. The file was removed.",
        hint="This is a defect of the export. Leave onnx out of `exports` to get the safetensors file.",
        pointer="/exports",
    )
