"""What one transfer over http(s) may do."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from core.spec.uris.reason import Unreachable

MAX_REDIRECTS = 3


@dataclass(frozen=True)
class Limits:
    """`private`: whether addresses that are not public may be dialled; if not, only on one of the `ports`.

    `total_seconds` is for everything, redirects included; `read_seconds` for the connection and for each read.
    """

    private: bool
    ports: tuple[int, ...] = (80, 443)
    total_seconds: float = 6 * 3600.0
    read_seconds: float = 30.0
    authorization: Mapping[str, str] = field(default_factory=dict)
    """Headers for the host that the job names, and for no other."""

    def check_port(self, port: int) -> None:
        """Raise Unreachable for a port that may not be dialled."""
        if not self.private and port not in self.ports:
            allowed = ", ".join(str(one) for one in self.ports) or "none"
            raise Unreachable(f"the port {port} may not be used; the operator allows {allowed}")
