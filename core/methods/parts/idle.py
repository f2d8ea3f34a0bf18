"""Terms that cannot teach anything for a job's classes: told as a warning, or refused where nothing is left.

Of two numbers, standardizing or correlating leaves only which one is larger: a row of two standardized logits is always
(0.707, -0.707) or the other way round, and two rows of two probabilities correlate with 1 or -1. Such a term has no
gradient.
"""

from core.errors import SpecInvalid
from core.events import JobWarning
from core.spec.warning_codes import METHOD_TERM_WITHOUT_EFFECT


def idle(method: str, term: str, reason: str, hint: str | None = None) -> JobWarning:
    """The warning that a term of a method is left out or has no effect, and why."""
    return JobWarning(
        code=METHOD_TERM_WITHOUT_EFFECT, message=f"method {method!r}: {term} has no effect: {reason}", hint=hint
    )


def refuse(knob: str, detail: str) -> None:
    """Raise SpecInvalid: with this knob of the method nothing of the teacher would be learned."""
    raise SpecInvalid([(f"/method/{knob}", detail)])
