"""Warnings about the splits before training: missing classes, imbalance, equal images, few images."""

from collections import Counter

from core.data import warning_codes
from core.data.listing import SplitName
from core.data.splits import SPLITS, Splits
from core.events import JobWarning
from core.statistics.paired import smallest_difference

SMALL_DIFFERENCE = 0.10  # a test split that cannot prove ten points is small
HIGH_TOP1 = 0.9
IMBALANCE = 10  # times more training images in the largest class than in the smallest
MOST_LISTED = 5


def check_splits(splits: Splits, classes: tuple[str, ...]) -> tuple[JobWarning, ...]:
    """The warnings that follow from the numbers of images."""
    return (*_missing(splits, classes), *_imbalanced(splits, classes), *_small_test(splits))


def _missing(splits: Splits, classes: tuple[str, ...]) -> list[JobWarning]:
    """One for each given split that lacks some of the classes."""
    warnings = []
    for name in ("validation", "test"):
        present = {record.label for record in splits[name]}
        lacking = [label for label in classes if label not in present]
        if lacking:
            more = f" and {len(lacking) - MOST_LISTED} more" if len(lacking) > MOST_LISTED else ""
            warnings.append(
                JobWarning(
                    code=warning_codes.CLASSES_MISSING_IN_SPLIT,
                    message=f"the {name} split has no image of {', '.join(map(repr, lacking[:MOST_LISTED]))}{more}",
                    hint=f"add images of these classes to the {name} split, so that they are measured",
                    count=len(lacking),
                )
            )
    return warnings


def _imbalanced(splits: Splits, classes: tuple[str, ...]) -> list[JobWarning]:
    counts = Counter(record.label for record in splits["train"])
    (largest, most), (smallest, fewest) = (
        pick(((label, counts[label]) for label in classes), key=lambda item: item[1]) for pick in (max, min)
    )
    if most < IMBALANCE * max(1, fewest):
        return []
    share = most / max(1, sum(counts.values()))
    return [
        JobWarning(
            code=warning_codes.CLASSES_IMBALANCED,
            message=f"class {largest!r} has {most} training images and {smallest!r} has {fewest}: always answering "
            f"{largest!r} is right for {share:.0%} of them",
            hint="look at the accuracy of each class, add images of small classes, or bound large ones by "
            "dataset.max_per_class",
            count=sum(counts[label] * IMBALANCE <= most for label in classes),
        )
    ]


def _small_test(splits: Splits) -> list[JobWarning]:
    count = len(splits["test"])
    difference = smallest_difference(count)
    if difference <= SMALL_DIFFERENCE:
        return []
    high = smallest_difference(count, HIGH_TOP1)
    images = "1 test image" if count == 1 else f"{count} test images"
    return [
        JobWarning(
            code=warning_codes.TEST_SPLIT_SMALL,
            message=f"with {images}, two networks are told apart at 95% where their accuracies differ by "
            f"{100 * difference:.1f} points ({100 * high:.1f} where both are near {HIGH_TOP1:.0%}); smaller "
            "differences may stay inconclusive",
            hint="bring more test images, or hold out more by dataset.test_fraction",
            count=count,
        )
    ]


def overlap_warnings(kept: Splits, row_digests: str) -> list[JobWarning]:
    """One for each two splits that share images, pixel by pixel; `row_digests` has 16 letters for each image."""
    digests = iter(row_digests[i : i + 16] for i in range(0, len(row_digests), 16))
    seen = {name: {next(digests) for _ in kept[name]} for name in SPLITS}
    pairs: list[tuple[SplitName, SplitName]] = [("train", "test"), ("train", "validation"), ("validation", "test")]
    return [
        JobWarning(
            code=warning_codes.SPLITS_OVERLAP,
            message=f"{count} {'image is' if count == 1 else 'images are'} in both the {one} and the {other} split, "
            "pixel by pixel",
            hint="remove them from one of the two; the figures of a test on known images are too good",
            count=count,
        )
        for one, other in pairs
        if (count := len(seen[one] & seen[other]))
    ]
