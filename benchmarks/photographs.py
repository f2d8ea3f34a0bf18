"""What a customer with a few hundred photographs gets: the engine's default job, its levers, and plain loops.

    python benchmarks/photographs.py --data ../shared/data --out runs/photographs

Nine materials (waste, 1,053 training and 521 test photographs). Each line of OUT/rows.jsonl is a finished row; rows
that are there are not run again. Writes OUT/table.md and OUT/photographs.png. With --rows only the rows whose names
begin with one of these; --list names all.
"""

import argparse
import json
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.photographs_summary import draw, table
from benchmarks.plain_photographs import fine_tune

ARCHIVE = "waste_224px_jpeg.zip"
LITE0, LITE2, MOBILENET = "timm/tf_efficientnet_lite0", "timm/tf_efficientnet_lite2", "tensorflow/mobilenet_v1_075"
SHELVED = {
    LITE0: "tf_efficientnet_lite0_imagenet1k.safetensors",
    LITE2: "tf_efficientnet_lite2_imagenet1k.safetensors",
    MOBILENET: "mobilenet_v1_075_224_imagenet1k.pt",
}
RATE = 0.02  # the peak of the plain loops


@dataclass(frozen=True)
class Row:
    """One line of the table: a job of the engine, or with `plain` a plain loop of so many steps."""

    name: str
    student: str | dict[str, Any] = "small"
    per_class: int | None = None
    training: dict[str, Any] = field(default_factory=dict)
    teacher: dict[str, Any] = field(default_factory=dict)
    plain: int = 0

    def spec(self, archive: Path, seed: int) -> dict[str, Any]:
        """The job; what it does not name, the engine chooses."""
        dataset = {"uri": archive.as_uri()} | ({"max_per_class": self.per_class} if self.per_class else {})
        training = {"seed": seed, **self.training}
        return {"teacher": {"architecture": LITE2, **self.teacher}, "dataset": dataset} | {
            "student": self.student,
            "training": training,
        }


def rows() -> tuple[Row, ...]:
    """All rows: the bars first, then accuracy over images per class, then the levers of the default job."""
    sized = [Row(f"default, {count} images a class", per_class=count) for count in (10, 50)]
    by_size = [Row(f"default, lite0, {count} images a class", LITE0, per_class=count) for count in (10, 50)]
    initial = {"architecture": LITE0, "classifier": "initial"}
    return (
        Row("default, size small, all images"),
        Row("plain loop, MobileNet v1 0.75, 180 steps", MOBILENET, plain=180),
        Row("default, lite0, all images", LITE0),
        Row("plain loop, lite0, all images", LITE0, plain=60),
        *by_size,
        *(Row(f"plain loop, lite0, {count} images a class", LITE0, count, plain=60) for count in (10, 50)),
        *(Row(f"default, size small, {size} pixels", training={"image_size": size}) for size in (192, 160)),
        Row("plain loop, lite2", LITE2, plain=60),
        *sized,
        Row("MobileNet v1 0.75 as the student", MOBILENET),
        Row("lite0, random classifier, 60 steps", initial, training={"epochs": 4}),
        Row("lite0, random classifier, batch norm frozen", initial, training={"epochs": 4, "batch_norm": "frozen"}),
        Row("size small, ten epochs", training={"epochs": 10}),
        Row("size small, SGD 0.01, five epochs", training={"epochs": 5, "optimizer": "sgd", "learning_rate": 0.01}),
        Row("size small, teacher fine-tuned", teacher={"adapt": "full"}),
    )


def main() -> None:
    """Run what is missing, then write the table and the picture."""
    options = _options()
    chosen = [row for row in rows() if row.name.startswith(tuple(options.rows))]
    if options.list:
        print("\n".join(row.name for row in chosen))
        return
    out, data = options.out.resolve(), options.data.resolve()
    out.mkdir(parents=True, exist_ok=True)
    shelf = _shelf(data / "weights", out / "shelf")
    kept = out / "rows.jsonl"
    done = _read(kept)
    for seed in options.seeds:
        for row in chosen:
            if (row.name, seed) not in {(each["name"], each["seed"]) for each in done}:
                found = _plain(row, seed, data, out, shelf) if row.plain else _job(row, seed, data, out, shelf)
                done.append({"name": row.name, "seed": seed, "per_class": row.per_class, **found})
                with kept.open("a") as file:
                    file.write(json.dumps(done[-1]) + "\n")
                print(json.dumps(done[-1]), flush=True)
    told = table([row.name for row in rows()], done)
    (out / "table.md").write_text(told)
    draw(done, out / "photographs.png")
    print(told)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help=f"folder with {ARCHIVE} and weights/")
    parser.add_argument("--out", type=Path, default=Path("runs/photographs"))
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--rows", nargs="*", default=[""], help="beginnings of the names of the rows to run")
    parser.add_argument("--list", action="store_true", help="only print the names of the rows")
    return parser.parse_args()


def _read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _shelf(weights: Path, shelf: Path) -> Path:
    """The operator's shelf with the three networks."""
    for architecture, file in SHELVED.items():
        if not (shelf / "records" / f"{architecture}.json").exists():
            command = [sys.executable, "-m", "core.process.shelf", "add", architecture, str(weights / file)]
            subprocess.run([*command, "--shelf", str(shelf)], check=True, capture_output=True)
    return shelf


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    started = time.monotonic()
    result = work()
    return time.monotonic() - started, result


def _job(row: Row, seed: int, data: Path, out: Path, shelf: Path) -> dict[str, Any]:
    """One engine, with a cache of its own: nothing of an earlier job is shared."""
    folder = out / f"{row.name}-{seed}".replace(" ", "-").replace(",", "")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "spec.json").write_text(json.dumps(row.spec(data / ARCHIVE, seed)))
    (folder / "policy.json").write_text(json.dumps({"weights_shelf": str(shelf)}))
    command = [sys.executable, "-m", "core", "--events", "json"]
    for name, place in (("spec", "spec.json"), ("policy", "policy.json"), ("out", "."), ("cache", "cache")):
        command += [f"--{name}", str(folder / place)]
    with (folder / "events.jsonl").open("wb") as events, (folder / "stderr.txt").open("wb") as errors:
        seconds, ended = _timed(lambda: subprocess.run(command, stdout=events, stderr=errors, check=False))
    if ended.returncode:
        raise SystemExit(f"{folder} failed; see its events.jsonl and stderr.txt")
    metrics = json.loads((folder / "artifacts/metrics.json").read_text())["metrics"]
    return {"top1": metrics["test"]["top1"], "seconds": seconds, "num_params": metrics["num_params"]}


def _plain(row: Row, seed: int, data: Path, out: Path, shelf: Path) -> dict[str, Any]:
    """The plain loop; of its two test views, the better one counts."""
    images = out / "images"
    if not images.exists():
        with zipfile.ZipFile(data / ARCHIVE) as archive:
            archive.extractall(images)
    folder = next(images.glob("**/train")).parent
    found = fine_tune(str(row.student), shelf, folder, steps=row.plain, rate=RATE, seed=seed, per_class=row.per_class)
    return {
        "top1": max(found.central_crop, found.whole_frame),
        "seconds": found.seconds,
        "num_params": found.num_params,
    }


if __name__ == "__main__":
    main()
