"""From timed blocks to the rows of the table."""

import statistics
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.harness.children import Block
from benchmarks.harness.works import Work

REFERENCE = "textbook"


@dataclass(frozen=True)
class Start:
    """How a child came to its first step: seconds from the start of its process to the end of that step.

    `first`: of the run before, which filled the caches. `waiting`: only from when the engine's code is loaded, as it is
    in an engine that waits for jobs. `fill`: what the run before took to fill its stored teacher pass. None where a
    loop has no such thing.
    """

    warm: float
    first: float | None
    waiting: float | None
    fill: float | None
    facts: dict[str, Any]


@dataclass(frozen=True)
class Row:
    """One variant at one work. Rates are images a second; a ratio is the median over rounds of that within the round"""

    work: str
    variant: str
    images_per_second: float
    ratio_to_textbook: float | None
    slowest: float
    fastest: float
    share_of_peak: float | None
    startup_seconds: float
    startup_first_seconds: float | None
    startup_waiting_seconds: float | None
    fill_seconds: float | None
    peak_memory_mb: float | None
    other_load: float | None
    rounds: int
    threads: int | None
    precision: str | None

    def to_json(self) -> dict[str, Any]:
        """As the JSON file has it."""
        return asdict(self)


def make_rows(
    work: Work, blocks: dict[str, list[Block]], starts: dict[str, Start], flops: dict[str, float], peak: float | None
) -> list[Row]:
    """A row for each variant, in the order of `blocks`.

    `flops`: floating-point operations of one image, by "live" and "stored" (without the teacher's); `peak`: those that
    the machine can do in a second, or None.
    """
    reference = blocks.get(REFERENCE)
    return [_row(work, name, its_blocks, reference, starts[name], flops, peak) for name, its_blocks in blocks.items()]


def _row(
    work: Work,
    name: str,
    blocks: list[Block],
    reference: list[Block] | None,
    start: Start,
    flops: dict[str, float],
    peak: float | None,
) -> Row:
    rates = [block.steps_per_second * work.batch_size for block in blocks]
    memory = [block.facts["peak_memory"] for block in blocks if block.facts["peak_memory"] is not None]
    loads = [block.other_load for block in blocks if block.other_load is not None]
    rate = statistics.median(rates)
    return Row(
        work=work.name,
        variant=name,
        images_per_second=rate,
        ratio_to_textbook=median_ratio(blocks, reference) if reference is not None else None,
        slowest=min(rates),
        fastest=max(rates),
        share_of_peak=rate * flops["stored" if name == "stored" else "live"] / peak if peak else None,
        startup_seconds=start.warm,
        startup_first_seconds=start.first,
        startup_waiting_seconds=start.waiting,
        fill_seconds=start.fill,
        peak_memory_mb=max(memory) / 1e6 if memory else None,
        other_load=statistics.median(loads) if loads else None,
        rounds=len(blocks),
        threads=start.facts.get("threads"),
        precision=start.facts.get("precision"),
    )


def median_ratio(blocks: list[Block], reference: list[Block]) -> float:
    """The median over rounds of (steps a second) / (the reference's in the same round)."""
    pairs = zip(blocks, reference, strict=True)
    return statistics.median(ours.steps_per_second / its.steps_per_second for ours, its in pairs)
