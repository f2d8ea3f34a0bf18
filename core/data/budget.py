"""What the reading of one dataset may cost: entries, rows, memory and seconds. Every reader takes its share from one
budget before it spends it, so that a small hostile file is refused and fills neither memory nor time.
"""

import time

from core.errors import DatasetInvalid
from core.policy import Policy


class Budget:
    """The budget of one dataset, by the operator's `policy`. It starts when it is made; decoding images is not in it.

    Each `take_...` raises DatasetInvalid, which names `where` the budget ends, and the setting that holds it.
    """

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self._entries = self._rows = self._bytes = 0
        self._until = time.monotonic() + policy.max_reading_seconds

    def take_entries(self, count: int, where: str) -> None:
        """For `count` files or folders of a folder or archive, or images of a file that holds many."""
        self._entries = self._taken(self._entries + count, "max_archive_entries", "entries", where)

    def take_rows(self, count: int, where: str) -> None:
        """For `count` rows of a table or lines of a list."""
        self._rows = self._taken(self._rows + count, "max_table_rows", "rows", where)

    def take_bytes(self, count: int, where: str) -> None:
        """For `count` bytes of memory that a table, list, label column or array takes while it is read whole."""
        self._bytes = self._taken(self._bytes + count, "max_reading_bytes", "bytes of memory", where)

    @property
    def bytes_left(self) -> int:
        """What `take_bytes` still gives."""
        return self.policy.max_reading_bytes - self._bytes

    def check_seconds(self, where: str) -> None:
        """Raise DatasetInvalid where the time for reading is over."""
        if time.monotonic() > self._until:
            raise DatasetInvalid(
                f"{where!r} takes longer to read than {self.policy.max_reading_seconds:g} seconds",
                hint="give fewer or smaller files; the operator's limit is max_reading_seconds",
                pointer="/dataset/uri",
            )

    def _taken(self, sum_taken: int, setting: str, unit: str, where: str) -> int:
        """The new sum. What is refused is not counted: a table beside the images that is too large may be left out."""
        most = getattr(self.policy, setting)
        if sum_taken > most:
            raise DatasetInvalid(
                f"the dataset is too large at {where!r}: {sum_taken} {unit}; allowed are {most}",
                hint=f"give a smaller dataset; the operator's limit is {setting}",
                pointer="/dataset/uri",
            )
        self.check_seconds(where)
        return sum_taken
