"""Every method on the same real images with the same number of steps: accuracy, seconds, memory.

    python benchmarks/methods.py --data ../shared/data --parallel 2
    python benchmarks/methods.py --data ../shared/data --parallel 2 --few-shot
    python benchmarks/methods.py --data ../shared/data --parallel 2 --domains

Ten classes of CIFAR-100 (every tenth in the order of the official labels) with 100 images each, teacher cifar/resnet56,
student cifar/resnet8. --few-shot: 10, 50 and 500 images each. --domains: PACS, from photographs to each other domain. A
training is one job of the engine with its own defaults, in a process of one thread; one that is in OUT is not repeated.
The tables go between markers into docs/explanation/methods.md, the picture beside it.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.cifar100 import class_names, joined
from benchmarks.comparison import texts
from benchmarks.comparison.domains import TARGETS, domain_runs, write_domains
from benchmarks.comparison.rows import FEW_SHOT, FEW_SHOT_IMAGES, IMAGES, Row, chosen, run_of
from benchmarks.comparison.running import NotDone, RunFailed, Runner
from benchmarks.comparison.runs import Run
from benchmarks.comparison.summary import Group, domain_rows, few_shot_rows, method_rows
from benchmarks.harness.document import table, write_section

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Entry:
    """One seed of a row of a table; `condition`: images per class, or the target domain."""

    label: str
    condition: str
    run: Run
    seed: int
    facts: tuple[tuple[str, str], ...] = ()


def main() -> None:
    """Run what is missing, then tell; the exit status is 1 where a training failed."""
    options = _options()
    options.out.mkdir(parents=True, exist_ok=True)
    data = joined(options.data.resolve(), options.out.resolve())
    classes, _ = class_names(options.data)
    tell_people = partial(print, file=sys.stderr, flush=True)
    runner = Runner(options.out.resolve(), data, tell_people, only_done=options.done)
    document: dict[str, Any] = {}
    failed = False
    for name in options.tables:
        if name == "domains":
            write_domains(options.data / "pacs_64px_jpeg.zip", data)
        groups = run_all(TABLES[name].entries(options, classes), runner, options.parallel)
        document[name] = [vars(group) for group in groups]
        failed = failed or any(group.failure for group in groups)
        tell(name, groups, options)
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(document, indent=1))
    sys.exit(int(failed))


def run_all(entries: Sequence[Entry], runner: Runner, parallel: int) -> list[Group]:
    """The entries' outcomes by row and condition, in the order in which these first come."""

    def outcome(entry: Entry) -> dict[str, Any] | str | None:
        try:
            return runner.outcome(entry.run, f"{entry.label}, {entry.condition}, seed {entry.seed}")
        except RunFailed as error:
            return str(error)
        except NotDone:
            return None

    with ThreadPoolExecutor(parallel) as pool:
        outcomes = list(pool.map(outcome, entries))
    found: dict[tuple[str, str], list[tuple[Entry, dict[str, Any] | str]]] = {}
    for entry, result in zip(entries, outcomes, strict=True):
        if result is None:
            continue
        found.setdefault((entry.label, entry.condition), []).append((entry, result))
    return [_group(each) for each in found.values()]


def _group(results: Sequence[tuple[Entry, dict[str, Any] | str]]) -> Group:
    entry, _ = results[0]
    outcomes = tuple(result for _, result in results if isinstance(result, dict))
    failures = dict.fromkeys(result for _, result in results if isinstance(result, str))
    return Group(entry.label, entry.condition, outcomes, dict(entry.facts), "; ".join(failures))


def _method_entries(options: argparse.Namespace, classes: list[str]) -> list[Entry]:
    return _entries(chosen(options.methods), (IMAGES,), options, classes)


def _few_shot_entries(options: argparse.Namespace, classes: list[str]) -> list[Entry]:
    return _entries(chosen(options.methods or FEW_SHOT), FEW_SHOT_IMAGES, options, classes)


def _entries(
    rows: Sequence[Row], images: Sequence[int], options: argparse.Namespace, classes: list[str]
) -> list[Entry]:
    """Seed by seed, so that a comparison that is cut short has whole seeds."""
    return [
        Entry(
            row.label,
            f"{count} images a class",
            run_of(row, classes=classes, images=count, steps=options.steps, seed=seed),
            seed,
            (("fidelity", row.fidelity), ("notes", row.notes)),
        )
        for seed in range(options.seeds)
        for count in images
        for row in rows
    ]


def _domain_entries(options: argparse.Namespace, classes: list[str]) -> list[Entry]:
    return [
        Entry(label, ", ".join(run.tests), run, seed)
        for seed in range(options.seeds)
        for label, run in domain_runs(steps=options.steps, seed=seed)
    ]


@dataclass(frozen=True)
class Table:
    """Which trainings a table is made from, and how."""

    entries: Callable[[argparse.Namespace, list[str]], list[Entry]]
    """(options, all of CIFAR-100's classes) -> what is to be run."""
    markdown: Callable[[Sequence[Group]], str]


TABLES = {
    "methods": Table(_method_entries, lambda groups: table(method_rows(groups), texts.METHOD_COLUMNS)),
    "few-shot": Table(_few_shot_entries, lambda groups: table(few_shot_rows(groups), texts.FEW_SHOT_COLUMNS)),
    "domains": Table(_domain_entries, lambda groups: table(domain_rows(groups, TARGETS), texts.DOMAIN_COLUMNS)),
}


def tell(name: str, groups: Sequence[Group], options: argparse.Namespace) -> None:
    """Print the table; write it into the document where there is one, with the picture of all methods beside it."""
    rows = TABLES[name].markdown(groups)
    print(rows)
    picture = (options.document or options.out / "methods.md").with_suffix(".png")
    if name == "methods" and any(group.outcomes for group in groups):
        from benchmarks.comparison.plot import draw

        draw(groups, picture, texts.picture_title(options))
    if options.document:
        if not options.document.exists():
            options.document.parent.mkdir(parents=True, exist_ok=True)
            options.document.write_text(texts.HEAD, encoding="utf-8")
        write_section(options.document, name, texts.section(name, rows, groups, options, picture.name))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--data", type=Path, default=ROOT / "../shared/data", help="folder with the archives and weights/"
    )
    parser.add_argument(
        "--out", type=Path, default=ROOT / "runs/methods", help="for finished runs (default: %(default)s)"
    )
    parser.add_argument(
        "--steps", type=int, default=300, help="optimizer steps of every training (default: %(default)s)"
    )
    parser.add_argument("--seeds", type=int, default=3, help="from 0 on (default: %(default)s)")
    parser.add_argument("--methods", nargs="+", metavar="ROW", help="rows by their names in the table; default: all")
    parser.add_argument("--done", action="store_true", help="run nothing: the tables of what is done")
    parser.add_argument("--parallel", type=int, default=1, help="processes of one thread each (default: %(default)s)")
    for name, told in (("few-shot", "over images per class"), ("domains", "of a second domain")):
        parser.add_argument(
            f"--{name}",
            dest="tables",
            action="append_const",
            const=name,
            help=f"the table {told} instead of all methods",
        )
    parser.add_argument("--json", type=Path, help="file for all outcomes")
    parser.add_argument(
        "--document", type=Path, default=ROOT / "docs/explanation/methods.md", help="Markdown file to update"
    )
    parser.add_argument("--no-document", dest="document", action="store_const", const=None, help="update none")
    options = parser.parse_args()
    options.tables = options.tables or ["methods"]
    return options


if __name__ == "__main__":
    main()
