"""The headline: the student against its teacher in five figures."""

from collections.abc import Callable
from dataclasses import dataclass

from core.results.report import words
from core.results.report.outcome import Outcome
from core.results.report.rows import Row, rows


@dataclass(frozen=True)
class Card:
    """One figure of the student. `gain` sets it against the teacher, `beside` is the teacher's own figure."""

    label: str
    value: str
    gain: str
    beside: str


def cards(outcome: Outcome) -> list[Card]:
    """Top-1, parameters, multiply-accumulates, bytes and latency; comparisons only where both were measured."""
    table = {row.role: row for row in rows(outcome) if row.role != "baseline"}
    student, teacher = table["student"], table.get("teacher")
    latency = student.facts.get("latency") or {}
    beside = f"one image, one thread, p95 {words.milliseconds(latency['p95_ms'])}" if latency else "not measured"
    if latency and teacher and teacher.latency_ms:
        beside = f"teacher {words.milliseconds(teacher.latency_ms)}, one thread"
    return [
        _top1(student, teacher),
        _size("Parameters", words.count, "num_params", student, teacher, ("fewer", "more")),
        _size("MACs per image", words.count, "macs", student, teacher, ("fewer", "more")),
        _size("Size, float32", words.size, "bytes", student, teacher, ("smaller", "larger")),
        Card("Latency, p50", words.milliseconds(student.latency_ms), _speed(student, teacher), beside),
    ]


def _top1(student: Row, teacher: Row | None) -> Card:
    gain, beside = "", f"95% interval {words.interval(student.interval)}"
    if teacher and teacher.top1 is not None and student.top1 is not None:
        gain = f"{words.points(student.top1 - teacher.top1)} points"
        beside = f"teacher {words.percent(teacher.top1)}"
    return Card("Test top-1", words.percent(student.top1), gain, beside)


def _size(
    label: str,
    write: Callable[[float | None], str],
    key: str,
    student: Row,
    teacher: Row | None,
    directions: tuple[str, str],
) -> Card:
    ours, theirs = student.facts.get(key), teacher.facts.get(key) if teacher else None
    beside = f"teacher {write(theirs)}" if theirs is not None else ""
    return Card(label, write(ours), words.times(theirs, ours, *directions), beside)


def _speed(student: Row, teacher: Row | None) -> str:
    """Student against teacher; a difference that is smaller than the measurement's spread is none."""
    if student.speedup is None and teacher and teacher.latency_ms and student.latency_ms:
        return "no difference that could be measured"
    return words.speed(student.speedup)
