"""The values of `method` in a job: the knobs of one method, or of several whose loss terms are added."""

from typing import TYPE_CHECKING, Annotated, Any, Literal, Union

from pydantic import Field, SerializeAsAny, model_validator

from core.errors import unknown
from core.spec.knobs import LISTED, Knobs

if TYPE_CHECKING:
    TermKnobs = Knobs
else:
    TermKnobs = Annotated[
        Union[tuple(knobs for knobs in LISTED.values() if knobs.can_be_combined)],  # noqa: UP007
        Field(discriminator="name"),
    ]


MOST_TERMS = 16  # each is computed in every step


class CombinedKnobs(Knobs):
    """Several methods at once: their loss terms are added, each with its own knobs; the label term counts once."""

    source = "common practice (torchdistill's WeightedSumLoss); each term has its own source"
    fidelity = "common practice"
    name: Literal["combined"] = Field(
        "combined", description="the name of a combination; a list of methods is short for it"
    )
    terms: tuple[SerializeAsAny[TermKnobs], ...] = Field(
        min_length=1,
        max_length=MOST_TERMS,
        description="methods with their knobs; the weight of the label term is the first one's",
    )

    @model_validator(mode="after")
    def _can_all_be_terms(self) -> "CombinedKnobs":
        for term in self.terms:
            if why := term.why_alone():
                raise ValueError(f"method {term.name!r} cannot be combined: {why}")
        return self


KNOBS: dict[str, type[Knobs]] = {**LISTED, "combined": CombinedKnobs}
TEACHERLESS = frozenset(name for name, knobs in KNOBS.items() if "teacher" not in knobs.needs)

if TYPE_CHECKING:
    MethodKnobs = Knobs
else:
    MethodKnobs = Annotated[Union[tuple(KNOBS.values())], Field(discriminator="name")]  # noqa: UP007


def spelled_out(value: Any) -> Any:
    """The long form of a method: a name becomes an object with the name, a list becomes a combination; other values
    stay.
    """
    if isinstance(value, list | tuple) and len(value) == 1:
        return _term(value[0])
    if isinstance(value, list | tuple):
        return {"name": "combined", "terms": [_term(term) for term in value]}
    value = _known(value, KNOBS)
    if isinstance(value, dict) and value.get("name") == "combined" and isinstance(value.get("terms"), list | tuple):
        return {**value, "terms": [_term(term) for term in value["terms"]]}
    return value


def _term(value: Any) -> Any:
    return _known(value, {name: knobs for name, knobs in LISTED.items() if knobs.can_be_combined})


def _known(value: Any, allowed: dict[str, type[Knobs]]) -> Any:
    value = {"name": value} if isinstance(value, str) else value
    if isinstance(value, dict) and isinstance(value.get("name"), str) and value["name"] not in allowed:
        raise ValueError(unknown("method", value["name"], allowed))
    return value
