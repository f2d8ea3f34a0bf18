"""Prefetching: while a step computes, a side thread reads the next step's images from disk or from the host's
memory.
"""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

from core.system.affinity import unpin

Fetched = TypeVar("Fetched")


class Prefetcher(Generic[Fetched]):
    """Calls `fetch(step)` for consecutive steps, each one step in advance. Any other order works too, without a
    gain.
    """

    def __init__(self, fetch: Callable[[int], Fetched]) -> None:
        self._fetch = fetch
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="reading-ahead", initializer=unpin)
        self._next: tuple[int, Future[Fetched]] | None = None

    def take(self, step: int, *, more: bool) -> Fetched:
        """The data of `step`; with `more`, fetching of the next step starts."""
        if self._next is not None and self._next[0] == step:
            fetched = self._next[1].result()
        else:
            fetched = self._thread.submit(self._fetch, step).result()
        self._next = (step + 1, self._thread.submit(self._fetch, step + 1)) if more else None
        return fetched
