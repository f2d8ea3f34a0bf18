"""Warnings of what was decided on the whole dataset: which split is the test, which images are left out."""

from core.data import warning_codes
from core.data.listing import Record
from core.data.splits import test_from_validation
from core.events import JobWarning
from core.spec import DatasetSpec


def renamed_split(records: list[Record], spec: DatasetSpec) -> list[JobWarning]:
    """That the given validation split is the test split."""
    if not test_from_validation(records, spec):
        return []
    count = sum(record.split == "validation" for record in records)
    return [
        JobWarning(
            code=warning_codes.TEST_FROM_VALIDATION,
            message=f"the dataset brings a validation split of {count} images and no test split: these are the test, "
            "and images of the training split are held out for validation",
            hint='to keep it as validation, say so in dataset.splits, as in {"val": "validation"}',
            count=count,
        )
    ]


def unreadable_warnings(unreadable: list[str]) -> list[JobWarning]:
    """That images were left out, as max_unreadable_fraction allows."""
    if not unreadable:
        return []
    return [
        JobWarning(
            code=warning_codes.IMAGES_UNREADABLE,
            message=f"{len(unreadable)} images cannot be read and are left out; the first: {unreadable[0]}",
            hint="mend or remove them",
            count=len(unreadable),
        )
    ]
