"""Why something outside could not be read."""


class Unreachable(Exception):
    """The reason, without the URI: who shows it adds the URI, stripped of its secrets."""

    def __init__(self, reason: str, hint: str = "") -> None:
        super().__init__(reason)
        self.hint = hint
