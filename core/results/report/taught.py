"""The student's initial weights, and the methods that trained it: formula, source and fidelity of each."""

from dataclasses import dataclass
from typing import Any

from core.methods import find
from core.results.report.outcome import Outcome
from core.spec import KNOBS
from core.spec.uris.redaction import redacted


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


def initial_weights(outcome: Outcome) -> str:
    """The student's initial weights, in words that follow "began with"."""
    weights = outcome.spec["student"].get("weights")
    if weights is None and not outcome.beginning:
        return "random weights"
    fitted = outcome.spec["student"].get("classifier") == "fitted"
    end = " and a classifier fitted to its features of the training images" if fitted else ""
    if outcome.beginning:
        return f"{outcome.beginning}{end}"
    if weights == "teacher":
        return f"the teacher's weights, by weight selection (Xu et al., ICLR 2024){end}"
    if weights == "relative":
        return f"channels of a wider network of its family with published weights{end}"
    given = "the library's published weights" if weights == "published" else f"the weights of {redacted(weights)}"
    return f"{given}{end}"


def adaptation(outcome: Outcome) -> str:
    """How the job adapted its teacher to its own classes, in words that follow "the teacher"; "" if it did not."""
    adapted = (outcome.teacher or {}).get("adapted", "none")
    return {
        "head": "got a new classifier, fitted to its features of the training images",
        "full": "was fine-tuned for these classes first",
    }.get(adapted, "")


def deadline(outcome: Outcome) -> str:
    """How the job used its deadline, in words that follow "the training ended by"; "" without one."""
    kept = outcome.metrics.get("deadline")
    if kept is None:
        return ""
    return f"a deadline of {kept['seconds']:g} s, of which {kept['used_seconds']:.1f} s had been used at this report"


def _taught(method: dict[str, Any]) -> Taught:
    knobs = dict(method)
    name = knobs.pop("name")
    declared = KNOBS[name]
    return Taught(name, declared.fidelity, " ".join((find(name).__doc__ or "").split()), declared.source, knobs)
