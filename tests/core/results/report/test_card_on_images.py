"""The model card's code, as a real job printed it, over every kind of image: it answers as predictions.csv does."""

import csv
import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core.data.images import FORMATS

pytestmark = pytest.mark.slow

SIDE = (90, 70)  # not square; JPEG reductions to twice the canvas of 16 pixels are possible
CLASSES = ("=cmd()", "bees")
Pixels = np.ndarray[Any, np.dtype[Any]]


def picture(label: int, number: int) -> Pixels:
    """A photograph-like array H W 3: a slope of brightness, up or down by its class, and noise."""
    width, height = SIDE
    slope = np.linspace(30, 220, width)[:: 1 if label else -1]
    noise = np.random.default_rng(number).integers(-30, 30, (height, width, 3))
    return (slope[None, :, None] + noise).clip(0, 255).astype(np.uint8)


def encoded(image: Image.Image, form: str, **options: Any) -> bytes:
    content = io.BytesIO()
    image.save(content, form, **options)
    return content.getvalue()


def turned(turn: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = turn
    return exif


def with_alpha(pixels: Pixels) -> Image.Image:
    alpha = np.linspace(0, 255, pixels.shape[0]).astype(np.uint8)[:, None].repeat(pixels.shape[1], 1)
    return Image.fromarray(np.dstack([pixels, alpha]))


def deep(pixels: Pixels) -> Image.Image:
    gray = pixels[:, :, 0].astype(np.int64)
    return Image.fromarray((gray * 257 - 100 * (gray > 0)).astype(np.uint16))


def palette(pixels: Pixels) -> Image.Image:
    return Image.fromarray(pixels).quantize(16)


def frames(pixels: Pixels) -> dict[str, Any]:
    return {"save_all": True, "append_images": [Image.fromarray(255 - pixels)]}


KINDS: dict[str, Callable[[Pixels], bytes]] = {
    "rgb.png": lambda p: encoded(Image.fromarray(p), "PNG"),
    "gray.png": lambda p: encoded(Image.fromarray(p).convert("L"), "PNG"),
    "gray_alpha.png": lambda p: encoded(with_alpha(p).convert("LA"), "PNG"),
    "alpha.png": lambda p: encoded(with_alpha(p), "PNG"),
    "alpha.webp": lambda p: encoded(with_alpha(p), "WEBP", lossless=True),
    "transparent_color.png": lambda p: encoded(palette(p).convert("RGB"), "PNG",
                                               transparency=palette(p).convert("RGB").getpixel((40, 40))),
    "transparent_gray.png": lambda p: encoded(Image.fromarray(p).convert("L"), "PNG", transparency=int(p[40, 40, 0])),
    "one_bit.png": lambda p: encoded(Image.fromarray(p).convert("1"), "PNG"),
    "deep.png": lambda p: encoded(deep(p), "PNG"),
    "deep_turned.png": lambda p: encoded(deep(p), "PNG", exif=turned(3)),
    "palette.png": lambda p: encoded(palette(p), "PNG"),
    "palette_transparent.png": lambda p: encoded(palette(p), "PNG", transparency=3),
    "palette_alpha.png": lambda p: encoded(palette(p), "PNG", transparency=bytes(range(0, 256, 16))),
    "palette.gif": lambda p: encoded(Image.fromarray(p), "GIF"),
    "transparent.gif": lambda p: encoded(palette(p), "GIF", transparency=2),
    "animation.gif": lambda p: encoded(Image.fromarray(p), "GIF", **frames(p)),
    "animation.webp": lambda p: encoded(Image.fromarray(p), "WEBP", **frames(p)),
    "animation.png": lambda p: encoded(Image.fromarray(p), "PNG", **frames(p)),
    "photo.jpg": lambda p: encoded(Image.fromarray(p), "JPEG", quality=80),
    "gray.jpg": lambda p: encoded(Image.fromarray(p).convert("L"), "JPEG"),
    "cmyk.jpg": lambda p: encoded(Image.fromarray(p).convert("CMYK"), "JPEG"),
    "large.jpg": lambda p: encoded(Image.fromarray(p).resize((1700, 1100)), "JPEG"),
    "turned.jpg": lambda p: encoded(Image.fromarray(p), "JPEG", exif=turned(6)),
    "mirrored.jpg": lambda p: encoded(Image.fromarray(p), "JPEG", exif=turned(2)),
    "broken_exif.jpg": lambda p: encoded(Image.fromarray(p), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff"),
    "of_the_size.png": lambda p: encoded(Image.fromarray(p).resize((16, 16)), "PNG"),
    "tiny.png": lambda p: encoded(Image.fromarray(p).resize((9, 7)), "PNG"),
    "flat.bmp": lambda p: encoded(Image.fromarray(p), "BMP"),
    "@formula.png": lambda p: encoded(Image.fromarray(p), "PNG"),
    "gray.tif": lambda p: encoded(Image.fromarray(p).convert("L"), "TIFF"),
    "deep.tif": lambda p: encoded(deep(p), "TIFF"),
    "cmyk.tif": lambda p: encoded(Image.fromarray(p).convert("CMYK"), "TIFF"),
    "turned.tif": lambda p: encoded(Image.fromarray(p), "TIFF", exif=turned(6)),
    "pages.tif": lambda p: encoded(Image.fromarray(p), "TIFF", **frames(p)),
    "photo.avif": lambda p: encoded(Image.fromarray(p), "AVIF"),
    "alpha_turned.avif": lambda p: encoded(with_alpha(p), "AVIF", exif=turned(8)),
}  # fmt: skip
OF_FORMAT = {"tif": "TIFF", "avif": "AVIF"}
READ = [kind for kind in KINDS if OF_FORMAT.get(kind.rpartition(".")[2], "PNG") in FORMATS]
# Each image under the name that the code opens; the code runs anew for each, as a whole, without Retort.
RUNNER = """
import contextlib, io, json, shutil, sys
for name in ("core", "store", "api", "worker", "retort"): sys.modules[name] = None
code, answers = open("code.py", encoding="utf-8").read(), {}
for name in json.load(open("names.json", encoding="utf-8")):
    shutil.copy(name, "image.png")
    values, out = {}, io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(code, values)
    answers[name] = [out.getvalue().strip(), values["logits"][0].tolist()]
json.dump(answers, open("answers.json", "w", encoding="utf-8"))
"""


@pytest.fixture(scope="module")
def published(run_job: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The dataset with every kind of image in its test split, and the artifacts of a job on it."""
    dataset = tmp_path_factory.mktemp("kinds")
    for label, name in enumerate(CLASSES):
        for split in ("train", "val"):
            folder = dataset / split / name
            folder.mkdir(parents=True)
            for number in range(12):
                (folder / f"{number}.png").write_bytes(KINDS["rgb.png"](picture(label, 100 + number)))
        folder = dataset / "test" / name
        folder.mkdir(parents=True)
        for number, kind in enumerate(READ):
            (folder / kind).write_bytes(KINDS[kind](picture(label, number)))
    job = {
        "dataset": dataset.as_uri(), "student": "cifar/resnet8",
        "training": {"image_size": 16, "max_steps": 12, "batch_size": 12, "devices": "cpu", "augmentation": "crop"},
    }  # fmt: skip
    ran = run_job(job)
    assert ran.error is None
    return dataset, ran.out / "artifacts"


@pytest.fixture(scope="module")
def answers(published: tuple[Path, Path]) -> dict[str, tuple[str, list[float]]]:
    """The card's answer and logits for each test image, by its path."""
    dataset, artifacts = published
    card = (artifacts / "model_card.md").read_text("utf-8")
    (artifacts / "code.py").write_text(card.partition("```python\n")[2].partition("```")[0], "utf-8")
    names = sorted(str(path) for path in (dataset / "test").rglob("*") if path.is_file())
    (artifacts / "names.json").write_text(json.dumps(names), "utf-8")
    done = subprocess.run(
        [sys.executable, "-I", "-c", RUNNER], cwd=artifacts, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr
    return json.loads((artifacts / "answers.json").read_text("utf-8"))


def predictions(artifacts: Path) -> dict[str, dict[str, str]]:
    """The rows of predictions.csv by file name, its text marks taken off as its documentation says."""
    with (artifacts / "predictions.csv").open(newline="", encoding="utf-8") as file:
        rows = [{key: cell.removeprefix("'") for key, cell in row.items()} for row in csv.DictReader(file)]
    return {f"{row['label']}/{Path(row['name']).name}": row for row in rows}


def test_every_kind_was_read(published: tuple[Path, Path]) -> None:
    _, artifacts = published
    assert set(predictions(artifacts)) == {f"{label}/{kind}" for label in CLASSES for kind in READ}


@pytest.mark.parametrize("label", CLASSES)
@pytest.mark.parametrize("kind", READ)
def test_the_card_answers_as_predictions_csv_does(
    kind: str, label: str, published: tuple[Path, Path], answers: dict[str, tuple[str, list[float]]]
) -> None:
    dataset, artifacts = published
    row = predictions(artifacts)[f"{label}/{kind}"]
    answer, logits = answers[str(dataset / "test" / label / kind)]
    assert answer == row["predicted"]
    shares = np.exp(np.array(logits) - max(logits))
    assert float(shares.max() / shares.sum()) == pytest.approx(float(row["confidence"]), abs=2e-5)


def test_the_images_are_not_all_alike(answers: dict[str, tuple[str, list[float]]]) -> None:
    assert len({tuple(np.round(logits, 4)) for _, logits in answers.values()}) > len(READ)


def test_no_cell_of_predictions_csv_begins_as_a_formula(published: tuple[Path, Path]) -> None:
    _, artifacts = published
    with (artifacts / "predictions.csv").open(newline="", encoding="utf-8") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    assert "'=cmd()" in cells
