"""What of a stored job can be changed: a JSON merge patch (RFC 7396) of its name, labels and priority."""

from typing import Annotated, Any

from pydantic import Field, ValidationError

from core.errors import SpecInvalid
from core.spec.job import MOST_LABELS, LabelKey, LabelValue, Name, Priority
from core.spec.parse import explain
from core.spec.part import Part


class JobChange(Part):
    """A change of a job; a field that is left out stays as it is."""

    name: Name | None = Field(None, description="null changes nothing")
    labels: dict[LabelKey, LabelValue | None] | None = Field(
        None, max_length=MOST_LABELS, description="set one by one; null removes a label; others stay"
    )
    priority: Annotated[Priority | None, Field(description="only while the job is queued or paused")] = None

    def labels_after(self, before: dict[str, str]) -> dict[str, str]:
        """The labels of a job that had `before`; raises SpecInvalid where they became too many."""
        after = {key: value for key, value in {**before, **(self.labels or {})}.items() if value is not None}
        if len(after) > MOST_LABELS:
            raise SpecInvalid([("/labels", f"a job has at most {MOST_LABELS} labels; it would have {len(after)}")])
        return after


def parse_change(data: Any) -> JobChange:
    """The JobChange of `data` (decoded JSON); raises SpecInvalid with one entry for each wrong value."""
    try:
        return JobChange.model_validate(data)
    except ValidationError as error:
        raise SpecInvalid(explain(error, JobChange)) from None
