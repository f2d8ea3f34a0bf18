"""Every reader has a name that a spec may give, and every name has a reader: a forgotten one fails here."""

from core.data.readers import READERS
from core.spec import FORMATS

WITHOUT_READER = {"auto", "builtin"}  # the content decides; the dataset comes with a library


def test_readers_and_formats_have_the_same_names() -> None:
    assert set(READERS) == set(FORMATS) - WITHOUT_READER
