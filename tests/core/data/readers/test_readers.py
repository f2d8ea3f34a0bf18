"""The readers that the folder holds, and the formats that a spec may name."""

from core.data.readers import READERS
from core.spec import FORMATS


def test_each_format_of_a_spec_has_a_reader_and_each_reader_is_a_format() -> None:
    # auto asks them all, and builtin: has no files to recognize.
    assert set(READERS) == set(FORMATS) - {"auto", "builtin"}
