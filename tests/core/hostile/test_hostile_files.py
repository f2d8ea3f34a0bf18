"""What comes from outside is read right or refused in words, and never does harm: not more memory, time or files than
is allowed, no process, no connection, nothing outside its folder."""

import pytest

from tests.core.hostile.arrays import ARRAYS
from tests.core.hostile.entry import REFUSED, Corpus
from tests.core.hostile.images import IMAGES
from tests.core.hostile.run import Verdict, run, tally
from tests.core.hostile.tables import TABLES
from tests.core.hostile.tars import TARS
from tests.core.hostile.weights import WEIGHTS
from tests.core.hostile.zips import ZIPS

CORPORA = {
    "zip archives": (ZIPS, "dataset"),
    "tar archives": (TARS, "dataset"),
    "images": (IMAGES, "image"),
    "tables": (TABLES, "dataset"),
    "arrays and shards": (ARRAYS, "dataset"),
    "weights": (WEIGHTS, "weights"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CORPORA)
def test_every_input_is_read_right_or_refused(
    name: str, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus, kind = CORPORA[name]
    verdicts = run(corpus, kind, tmp_path_factory.mktemp("hostile"))
    with capsys.disabled():
        print(f"\n{name}: {tally(verdicts)}, at most {max(one.bytes for one in verdicts.values()) >> 20} MiB")
    assert wrong(corpus, verdicts) == {}


def wrong(corpus: Corpus, verdicts: dict[str, Verdict]) -> dict[str, object]:
    """Inputs of which something else became than what is wanted."""
    return {
        entry.name: (f"wanted {entry.wanted or 'a refusal'}", verdicts[entry.name])
        for entry in corpus.entries
        if (verdicts[entry.name].outcome, verdicts[entry.name].found)
        != (("refused", None) if entry.wanted is REFUSED else ("read", entry.wanted))
    }
