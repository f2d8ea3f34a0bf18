"""What the benchmarks of learning share on their command line and at the head of what they write."""

import argparse
import os
import time
from pathlib import Path

import torch

from benchmarks.harness.document import machine

ROOT = Path(__file__).parents[2]


def options_of(program: str) -> argparse.ArgumentParser:
    """Where CIFAR-100 lies, where inputs made of it go, which document gets the table; `program`: its docstring."""
    parser = argparse.ArgumentParser(description=program.splitlines()[0])
    parser.add_argument("--data", type=Path, default=ROOT / "../shared/data", help="folder with the CIFAR-100 archives")
    parser.add_argument("--out", type=Path, default=ROOT / "runs/accuracy_per_second", help="folder of inputs")
    parser.add_argument(
        "--document", type=Path, default=ROOT / "docs/explanation/performance.md", help="Markdown file to update"
    )
    return parser


def circumstances() -> str:
    """When and on what this is measured, in words."""
    threads = len(os.sched_getaffinity(0))
    return f"{time.strftime('%B %Y')}, {machine()}, torch {torch.__version__}, {threads} threads"
