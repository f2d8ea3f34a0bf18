"""The threads that decode a dataset: all of them have work, with few images as with many."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from core.data import resident
from core.data.listing import Record

THREADS = 4


@pytest.mark.parametrize("count", [THREADS, 40, 1000])
def test_every_thread_decodes(tmp_path: Path, encode: Callable[..., bytes], count: int) -> None:
    """The first images are handed out only when as many threads as were asked for have come for one."""
    data = encode()
    all_here = threading.Barrier(THREADS, timeout=20)
    came = set()

    def read(key: int) -> bytes:
        if threading.get_ident() not in came:
            came.add(threading.get_ident())
            all_here.wait()
        return data

    rows, _ = resident.decode(
        [Record(f"{number}.png", "ant", None, number) for number in range(count)],
        read,
        content="",
        canvas_size=8,
        cache=tmp_path,
        max_pixels=64,
        num_threads=THREADS,
    )
    assert rows.kept == list(range(count))
    assert len(came) == THREADS
