"""What benchmarks/photographs.py asks of the engine, and the table that it writes."""

from pathlib import Path

import pytest

from benchmarks.photographs import Row, rows
from benchmarks.photographs_summary import table
from core.spec import parse_job

NAMES = [row.name for row in rows()]


@pytest.mark.parametrize("row", [row for row in rows() if not row.plain], ids=lambda row: row.name)
def test_every_job_is_one_that_the_service_takes(row: Row) -> None:
    spec = parse_job(row.spec(Path("/data/waste.zip"), 3))
    assert spec.training.seed == 3 and spec.dataset.max_per_class == row.per_class


def test_no_name_is_the_beginning_of_another() -> None:
    assert not [(one, other) for one in NAMES for other in NAMES if one != other and other.startswith(one)]


def test_the_table_has_means_with_intervals_over_seeds() -> None:
    done = [{"name": "a", "top1": top1, "seconds": 10.0, "num_params": 2_000_000} for top1 in (0.8, 0.9, 1.0)]
    assert table(["b", "a"], done).splitlines()[2:] == ["| a | 90.0 +- 24.8 | 3 | 10 | 2.00 |"]
