"""Which methods taught the student: the formula of each, its source, and how sure we are of it."""

from dataclasses import dataclass
from typing import Any

from core.methods import find
from core.results.report.outcome import Outcome
from core.spec import KNOBS


@dataclass(frozen=True)
class Taught:
    """One method of a job. `fidelity` is the catalogue's; `source` may say that results were withdrawn."""

    name: str
    fidelity: str
    formula: str
    source: str
    knobs: dict[str, Any]


def taught(outcome: Outcome) -> list[Taught]:
    """The method of the job, or each term of a combination in the order of the job."""
    method = outcome.spec["method"]
    return [_taught(term) for term in method.get("terms") or [method]]


def method_name(outcome: Outcome) -> str:
    """kd, or kd + skd for a combination."""
    return " + ".join(method.name for method in taught(outcome))


def _taught(method: dict[str, Any]) -> Taught:
    knobs = dict(method)
    name = knobs.pop("name")
    declared = KNOBS[name]
    return Taught(name, declared.fidelity, " ".join((find(name).__doc__ or "").split()), declared.source, knobs)
