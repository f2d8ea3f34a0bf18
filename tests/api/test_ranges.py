"""Byte ranges with numbers that no file has."""

import pytest

from api.ranges import Unsatisfiable, parse_range


@pytest.mark.parametrize(
    "header", [f"bytes={'9' * 5000}-", f"bytes=0-{'9' * 5000}", f"bytes=-{'9' * 5000}", "bytes=\u0664-"]
)
def test_a_number_of_thousands_of_digits_is_ignored(header: str) -> None:
    assert parse_range(header, 10) is None


def test_a_large_number_is_still_a_number() -> None:
    assert parse_range(f"bytes=2-{10**17}", 10) == (2, 10)
    with pytest.raises(Unsatisfiable):
        parse_range(f"bytes={10**17}-", 10)
