"""Does specialization pay? The service's default, other methods, scratch and fine-tuning on real CIFAR-100 subsets.

    python benchmarks/specialization.py --data ../shared/data --url http://127.0.0.1:8000 --steps 150

Three customers: one superclass (5 classes, 500 images each), ten classes with 50 and with 500 images each. The teacher
is the trained resnet56 of the data folder, the student is cifar/resnet8. A job names its method and nothing else that
the service would choose, `default` not even that; the seed and, with --steps, the length are the same for all. Each job
is one `python -m core`, or with --url a job of a running service; one that is in OUT with the same spec is not run
again. Results go to OUT/table.md and OUT/results.json.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.cifar100 import class_names, every_tenth, joined
from retort import Retort

T_95 = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776}  # two-sided 95% quantiles of Student's t, by number of seeds
SUPERCLASS = "vehicles_1"
DEFAULT = "default"  # the label of a job that names no method


@dataclass(frozen=True)
class Job:
    """One customer with one method (None: it names none) and one seed; the baselines ride along with the first."""

    customer: str
    classes: tuple[str, ...]
    max_per_class: int
    method: dict[str, Any] | None
    seed: int
    label: str
    baselines: tuple[str, ...]
    is_first: bool

    def spec(self, data: Path, all_classes: list[str], steps: int | None) -> dict[str, Any]:
        """The job as the service would take it."""
        return {
            "teacher": {
                "architecture": "cifar/resnet56",
                "weights": (data / "weights/cifar100_resnet56.pth").as_uri(),
                "classes": all_classes,
            },
            "dataset": {
                "uri": (data / "cifar100.zip").as_uri(),
                "classes": self.classes,
                "max_per_class": self.max_per_class,
            },
            "student": {"architecture": "cifar/resnet8"},
            **({"method": self.method} if self.method else {}),
            "training": {"seed": self.seed, **({"max_steps": steps} if steps else {})},
            "evaluation": {"baselines": self.baselines},
        }


def main() -> None:
    """Run what is missing, then write the table."""
    options = _options()
    data = joined(options.data.resolve(), options.out.resolve())
    all_classes, superclasses = class_names(options.data)
    jobs = _jobs(all_classes, superclasses, options)
    with ThreadPoolExecutor(options.parallel) as pool:
        done = list(pool.map(lambda job: _run(job, data, all_classes, options), jobs))
    rows = _collect(zip(jobs, done, strict=True))
    (options.out / "results.json").write_text(json.dumps(rows, indent=1))
    (options.out / "table.md").write_text(_table(rows))
    print(_table(rows))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--data", type=Path, required=True, help="folder with cifar100_{train,test}_webp.zip and weights/"
    )
    parser.add_argument("--out", type=Path, default=Path("runs/specialization"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--parallel", type=int, default=1, help="jobs at a time")
    parser.add_argument("--url", help="of a running service to POST the jobs to; default: engines of our own")
    parser.add_argument("--steps", type=int, help="optimizer steps of every training; default: the engine's own choice")
    parser.add_argument("--customers", nargs="*", default=["superclass", "ten50", "ten500"])
    parser.add_argument("--methods", nargs="*", default=[DEFAULT, "kd", "skd", "simkd"])
    parser.add_argument("--baselines", nargs="*", default=["scratch", "finetune"])
    parser.add_argument(
        "--forms", nargs="*", default=[], metavar="FORM:WEIGHT", help="further skd variants, such as mse:10 cosine:1"
    )
    return parser.parse_args()


def _jobs(all_classes: list[str], superclasses: dict[str, str], options: argparse.Namespace) -> list[Job]:
    ten = every_tenth(all_classes)
    five = tuple(name for name in all_classes if superclasses[name] == SUPERCLASS)
    customers = {"superclass": (five, 500), "ten50": (ten, 50), "ten500": (ten, 500)}
    methods: dict[str, dict[str, Any] | None] = {
        name: {"name": name} if name != DEFAULT else None for name in options.methods
    }
    for variant in options.forms:
        form, _, weight = variant.partition(":")
        methods[f"skd {variant}"] = {"name": "skd", "form": form, "weight": float(weight)}
    first = next(iter(methods), None)
    return [
        Job(
            customer,
            *customers[customer],
            method,
            seed,
            label,
            baselines=tuple(options.baselines) if label == first else (),
            is_first=label == first,
        )
        for customer in options.customers
        for seed in range(options.seeds)
        for label, method in methods.items()
    ]


def _run(job: Job, data: Path, all_classes: list[str], options: argparse.Namespace) -> Path:
    """The folder of a finished job."""
    out: Path = options.out / f"{job.customer}-{job.label.replace(' ', '-').replace(':', '-')}-{job.seed}"
    spec = job.spec(data, all_classes, options.steps)
    kept, wanted = out / "spec.json", json.dumps(spec)
    if not kept.exists() or kept.read_text() != wanted:  # what lies there, if anything, is of another job
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        kept.write_text(wanted)
    if not (out / "artifacts/metrics.json").exists():
        started = time.monotonic()
        if options.url:
            _over_http(spec, out, options.url)
        else:
            _as_process(out, options)
        print(f"{out.name}: {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    return out


def _over_http(spec: dict[str, Any], out: Path, url: str) -> None:
    with Retort(url) as retort:
        job = retort.submit(spec)
        job.wait()
        job.download(out / "artifacts")


def _as_process(out: Path, options: argparse.Namespace) -> None:
    command = [sys.executable, "-m", "core", "--spec", str(out / "spec.json"), "--out", str(out)]
    command += [
        "--cache",
        str(options.out / "cache"),
        "--policy",
        str(_policy(options)),
        "--resume",
        "--events",
        "json",
    ]
    with (out / "events.jsonl").open("wb") as events, (out / "stderr.txt").open("wb") as errors:
        status = subprocess.run(command, stdout=events, stderr=errors, check=False).returncode
    if status:
        raise SystemExit(f"{out.name} failed; see {out / 'events.jsonl'} and {out / 'stderr.txt'}")


def _policy(options: argparse.Namespace) -> Path:
    """The jobs share the machine's cores evenly."""
    path: Path = options.out / "policy.json"
    path.write_text(json.dumps({"num_threads": max(1, (os.cpu_count() or 1) // options.parallel)}))
    return path


def _collect(done: Any) -> list[dict[str, Any]]:
    scores: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for job, out in done:
        metrics = json.loads((out / "artifacts/metrics.json").read_text())
        scores[job.customer, job.label].append(metrics["metrics"])
        for name, baseline in metrics["baselines"].items():
            scores[job.customer, name].append(baseline)
        if job.is_first:
            scores[job.customer, "teacher"].append(metrics["teacher"])
    return [_row(customer, network, figures) for (customer, network), figures in scores.items()]


def _row(customer: str, network: str, figures: list[dict[str, Any]]) -> dict[str, Any]:
    top1 = [each["test"]["top1"] for each in figures]
    half = T_95[len(top1)] * statistics.stdev(top1) / len(top1) ** 0.5 if len(top1) in T_95 else None
    seconds = [each["seconds"] for each in figures if each.get("seconds")]
    return {
        "customer": customer,
        "network": network,
        "test_top1": top1,
        "mean": statistics.fmean(top1),
        "half_interval": half,
        "training_seconds": statistics.fmean(seconds) if seconds else None,
        "num_params": figures[0]["num_params"],
    }


def _table(rows: list[dict[str, Any]]) -> str:
    head = "| customer | network | params | test top-1, mean and 95% interval over seeds | seconds |"
    lines = [head, "|---|---|---|---|---|"]
    for row in sorted(rows, key=lambda row: (row["customer"], -row["mean"])):
        half = f" ± {100 * row['half_interval']:.1f}" if row["half_interval"] is not None else ""
        seconds = f"{row['training_seconds']:.0f}" if row["training_seconds"] else ""
        score = f"{100 * row['mean']:.1f}{half}"
        lines.append(f"| {row['customer']} | {row['network']} | {row['num_params']:,} | {score} | {seconds} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
