"""Images a second of the engine, of a textbook loop and of other libraries, measured side by side.

    python benchmarks/throughput.py --quick --json runs/throughput.json
    python benchmarks/throughput.py --peer repdistiller=PATH --peer simkd=PATH --peer mdistiller=PATH

Every variant is a process that lives through the whole race and trains in blocks of some seconds, in turn with the
others. Figures are medians over the rounds. Training steps alone are timed: no validation, no checkpoints.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks.harness.document import machine, table, write_section
from benchmarks.harness.race import FEWEST_ROUNDS, race
from benchmarks.harness.request import Request
from benchmarks.harness.rows import Row, make_rows
from benchmarks.harness.starting import start_all
from benchmarks.harness.works import QUICK, WORKS, Work, choose, find
from benchmarks.peers.version import version_of

ROOT = Path(__file__).parents[1]
PEERS = {"repdistiller": ("kd/32",), "simkd": ("kd/32", "simkd/32"), "mdistiller": ("kd/32",)}
PACKAGE = {"torchdistill": ("kd/32", "simkd/32")}
VARIANTS = ("textbook", "textbook-tuned", "live", "stored", *PACKAGE)
QUICK_SECONDS = 265.0  # of the five minutes that --quick may take: the rest is for the last blocks and the report
PATIENCE = 600.0  # seconds for a child to warm up
COLUMNS = {
    "work": "work",
    "variant": "variant",
    "images_per_second": "images/s",
    "range": "slowest to fastest round",
    "ratio_to_textbook": "ratio to textbook",
    "share": "share of peak",
    "startup_seconds": "start to 1st step, s",
    "startup_waiting_seconds": "the same, code loaded, s",
    "startup_first_seconds": "the same, first run, s",
    "fill_seconds": "fill, s",
    "peak_memory_mb": "peak memory, MB",
    "other_load": "other load",
    "precision": "precision",
    "threads": "threads",
}
LEGEND = """\
- *ratio*: the ratio within each round, median over rounds.
- *share of peak*: the computed operations divided by the best rate of torch's matrix products and 3x3 convolutions in
  the same minutes, in any precision. A backward pass counts as two forward passes; `stored` counts no teacher.
- *start*: from the start of the process to the end of the first step. The engine's start includes the check of the
  teacher on a few images. *code loaded*: the same in a process that waited for the job. *first run*: the run before,
  which had to decode, compile and store what was not in the caches.
- *fill*: computing the stored teacher pass of 1,500 images (990 at 224), which is part of the start of the first run.
- *peak memory*: of the main process, without workers.
- *other load*: the share of all cores that other processes used meanwhile."""


@dataclass
class Results:
    """Everything that was measured, and what could not be."""

    rows: list[Row] = field(default_factory=list)
    missing: list[dict[str, str]] = field(default_factory=list)
    peaks: dict[str, float] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    def of_size(self, size: int) -> "Results":
        """Those of works whose networks see so many pixels; a document has a section for each size."""
        return replace(
            self,
            rows=[row for row in self.rows if find(row.work).image_size == size],
            missing=[gap for gap in self.missing if find(gap["work"]).image_size == size],
        )


def main() -> None:
    """Race, then print, and write what was asked for."""
    options = _options()
    end = time.monotonic() + QUICK_SECONDS if options.quick else None
    works = choose(options.work)
    options.root.mkdir(parents=True, exist_ok=True)
    kinds = sorted({work.images for work in works})
    make_inputs = [sys.executable, "-m", "benchmarks.harness.inputs", str(options.root), *kinds]
    subprocess.run(make_inputs, cwd=ROOT, check=True, timeout=QUICK_SECONDS if options.quick else None)
    results, began = Results(), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="throughput-") as scratch:
        for number, work in enumerate(works, start=1):
            until = None if end is None else began + (end - began) * number / len(works)
            _run(work, options, scratch, until, end, results)
    print(_report(results))
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(_document(results, options), indent=1))
    if options.document:
        for size in sorted({work.image_size for work in works}):
            measured = results.of_size(size)
            if measured.rows:  # what was not measured leaves the section as it was
                write_section(options.document, f"throughput-{size}", _section(size, measured, options))


def _run(
    work: Work, options: argparse.Namespace, scratch: str, until: float | None, end: float | None, results: Results
) -> None:
    """Race the variants of one work. `until`: when it should be over, as far as starting leaves time; `end`: when it
    must be."""
    template = Request("", work.name, str(options.root.resolve()), scratch, options.threads, options.views)
    variants = {"peak": None, **_variants(work, options)}
    # Who has started shall have time for the fewest rounds.
    last_start = end - FEWEST_ROUNDS * options.seconds * len(variants) if end is not None else None
    children, starts, missing = start_all(template, variants, patience=PATIENCE, tell=_tell, end=last_start)
    try:
        blocks, dropped = race(children, rounds=options.rounds, seconds=options.seconds, until=until, end=end)
    finally:
        for child in children.values():
            child.stop()
    peaks = [block.facts["rates"] for block in blocks.pop("peak", [])]
    for name in peaks[0] if peaks else ():
        results.peaks[name] = max(results.peaks.get(name, 0.0), *(rates[name] for rates in peaks))
    results.missing += [
        {"work": work.name, "variant": name, "reason": why} for name, why in {**missing, **dropped}.items()
    ]
    if "peak" in starts:
        results.facts = starts["peak"].facts
        best = max((max(rates.values()) for rates in peaks), default=None)
        results.rows += make_rows(work, blocks, starts, results.facts["flops"], best)


def _variants(work: Work, options: argparse.Namespace) -> dict[str, str | None]:
    """The variants of a work that are wanted and can do it, with their checkouts."""
    wanted: dict[str, str | None] = {
        name: None for name in options.variant if name not in PACKAGE or work.name in PACKAGE[name]
    }
    wanted.update({name: str(path) for name, path in options.peer if work.name in PEERS[name]})
    return wanted


def _report(results: Results) -> str:
    peaks = ", ".join(f"{name} {rate / 1e9:,.0f} GFLOP/s" for name, rate in results.peaks.items())
    lines = [table([_cells(row) for row in results.rows], COLUMNS), "", f"Measured arithmetic peak: {peaks}."]
    for gap in results.missing:
        lines.append(f"Not measured: {gap['work']} {gap['variant']}: {gap['reason']}")
    return "\n".join(lines)


def _cells(row: Row) -> dict[str, object]:
    cells: dict[str, object] = row.to_json()
    cells["range"] = f"{row.slowest:.3g} to {row.fastest:.3g}"
    cells["share"] = f"{row.share_of_peak:.0%}" if row.share_of_peak is not None else None
    cells["other_load"] = f"{row.other_load:.0%}" if row.other_load is not None else None
    return cells


def _document(results: Results, options: argparse.Namespace) -> dict[str, Any]:
    """What --json holds."""
    facts = {"device": results.facts.get("device"), "versions": _versions(results, options)}
    rows = [row.to_json() for row in results.rows]
    return {"rows": rows, "missing": results.missing, "peaks": results.peaks, "machine": machine(), **facts}


def _versions(results: Results, options: argparse.Namespace) -> dict[str, str]:
    """Of what the loops are made of, and of the peers that were measured, as far as they tell."""
    checkouts = dict(options.peer)
    measured = dict.fromkeys(row.variant for row in results.rows if row.variant in (*PACKAGE, *checkouts))
    peers = {name: version_of(name, checkouts.get(name)) for name in measured}
    return {**results.facts.get("versions", {}), **{name: version for name, version in peers.items() if version}}


def _section(size: int, results: Results, options: argparse.Namespace) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in _versions(results, options).items())
    rounds = max((row.rounds for row in results.rows), default=0)
    return "\n\n".join(
        [
            f"## Images a second, {size} x {size}",
            f"{time.strftime('%B %Y')}, {machine()}, on the {results.facts.get('device')}; {versions}. "
            f"{rounds} rounds of {options.seconds:g} s for each variant.",
            _report(results),
            LEGEND,
            f"```\n{_command(options)}\n```",
        ]
    )


def _command(options: argparse.Namespace) -> str:
    """The command line without what is this machine's own: where checkouts and results lie."""
    words = ["python benchmarks/throughput.py", *(["--quick"] if options.quick else [])]
    words += [f"--work {work}" for work in options.work] + [f"--variant {variant}" for variant in options.variant]
    words += [f"--peer {name}=PATH" for name, _ in options.peer]
    words += [f"--threads {options.threads}"] if options.threads else []
    return " ".join([*words, f"--rounds {options.rounds} --seconds {options.seconds:g} --views {options.views}"])


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--quick",
        action="store_true",
        help="kd/32 and simkd/32, five minutes at most; what has not started then is left out",
    )
    parser.add_argument("--work", action="append", help=f"{', '.join(work.name for work in WORKS)}; 224 takes both")
    parser.add_argument("--variant", action="append", choices=VARIANTS, help="default: all but textbook-tuned")
    parser.add_argument(
        "--peer", action="append", default=[], type=_peer, metavar="NAME=PATH", help=f"a checkout of {', '.join(PEERS)}"
    )
    parser.add_argument("--rounds", type=int, help="blocks of each variant (default: 7; quick: 5, fewer if time is up)")
    parser.add_argument("--seconds", type=float, help="of one block (default: 8; quick: 3)")
    parser.add_argument("--threads", type=int, help="CPU threads of every variant; default: what it takes by itself")
    parser.add_argument("--views", type=int, default=1, help="views an image of the stored teacher pass")
    parser.add_argument("--json", type=Path, help="file for the rows")
    parser.add_argument(
        "--document", type=Path, default=ROOT / "docs/explanation/performance.md", help="Markdown file to update"
    )
    parser.add_argument("--no-document", dest="document", action="store_const", const=None, help="update none")
    parser.add_argument("--root", type=Path, default=ROOT / "runs/throughput", help="folder of inputs and logs")
    options = parser.parse_args()
    options.work = options.work or list(QUICK if options.quick else (work.name for work in WORKS))
    options.variant = options.variant or [name for name in VARIANTS if name != "textbook-tuned"]
    options.rounds = options.rounds or (5 if options.quick else 7)
    options.seconds = options.seconds or (3.0 if options.quick else 8.0)
    return options


def _peer(text: str) -> tuple[str, Path]:
    name, equals, path = text.partition("=")
    if name.lower() not in PEERS or not equals:
        raise argparse.ArgumentTypeError(f"{text!r}: write NAME=PATH, with NAME one of {', '.join(PEERS)}")
    if not Path(path).is_dir():
        raise argparse.ArgumentTypeError(f"{path!r} is no folder")
    return name.lower(), Path(path).resolve()


if __name__ == "__main__":
    main()
