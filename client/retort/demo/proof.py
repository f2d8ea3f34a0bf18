"""Runs the downloaded ONNX file on the held-out test images, from nothing but the downloaded files and scikit-learn."""

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from PIL import Image
from sklearn.datasets import load_digits

from retort.errors import RetortError

# scikit-learn's digits have grey levels from 0 to 16.
GREY_LEVELS = 16


@dataclass(frozen=True)
class Proof:
    """What onnxruntime made of the test images: how many, how many right."""

    num_images: int
    num_correct: int


class ProofFailed(RetortError):
    """The downloaded model does not do what the service said it does."""


def test_names(folder: Path) -> list[str]:
    """The names of the test images of the job whose files lie in `folder`."""
    return [row["name"] for row in _rows(folder)]


def prove(folder: Path) -> Proof:
    """Check model.onnx against predictions.csv and metrics.json, image by image; raises ProofFailed."""
    rows = _rows(folder)
    classes = json.loads((folder / "labels.json").read_text())
    preprocessing = json.loads((folder / "preprocessing.json").read_text())
    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    images = np.stack([_pixels(row["name"], preprocessing) for row in rows])
    logits = session.run([preprocessing["output_name"]], {preprocessing["input_name"]: images})[0]
    predicted = [classes[index] for index in logits.argmax(axis=1)]
    different = [row["name"] for row, label in zip(rows, predicted, strict=True) if row["predicted"] != label]
    if different:
        raise ProofFailed(f"model.onnx disagrees with the service's predictions.csv on {', '.join(different[:5])}")
    correct = sum(row["label"] == label for row, label in zip(rows, predicted, strict=True))
    claimed = json.loads((folder / "metrics.json").read_text())["metrics"]["test"]
    if claimed["num_images"] != len(rows) or round(claimed["top1"] * len(rows)) != correct:
        raise ProofFailed(f"model.onnx gets {correct} of {len(rows)} images right; metrics.json says {claimed['top1']}")
    return Proof(len(rows), correct)


def _rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "predictions.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


_digits = load_digits().images


def _pixels(name: str, preprocessing: dict[str, Any]) -> np.ndarray:
    """One test image as the network takes it, 3 H W, made as preprocessing.json says. `name` ends with its number."""
    grey = np.rint(_digits[int(name.rpartition("/")[2])] * (255 / GREY_LEVELS)).astype(np.uint8)
    canvas, crop = preprocessing["resize_short_side"], preprocessing["center_crop"]
    image = Image.fromarray(grey).convert("RGB").resize((canvas, canvas), Image.Resampling.BILINEAR)
    edge = (canvas - crop) // 2
    pixels = np.asarray(image.crop((edge, edge, edge + crop, edge + crop)), np.float32)
    scaled = (pixels * preprocessing["rescale_factor"] - preprocessing["mean"]) / preprocessing["std"]
    return np.asarray(scaled.transpose(2, 0, 1), np.float32)
