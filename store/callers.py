"""Who asks: the tenant whose data a caller sees, the scope that says what it may do, and the limits of its share."""

from dataclasses import dataclass
from typing import Literal, get_args

Scope = Literal["read", "submit", "admin"]
# Each scope allows what those before it allow.
SCOPES: tuple[Scope, ...] = get_args(Scope)
# Whose the jobs of an installation without further tenants are.
DEFAULT_TENANT = "default"


@dataclass(frozen=True)
class Limits:
    """The share of a tenant or of one key; None: no limit."""

    max_queued_jobs: int | None = None
    max_running_jobs: int | None = None
    max_stored_bytes: int | None = None
    requests_per_minute: int | None = None


@dataclass(frozen=True)
class Caller:
    """Who sent a request. `key_id` is None in open mode, and for a person who signed in at an OpenID provider."""

    tenant: str
    name: str
    scope: Scope
    key_id: str | None = None
    limits: Limits = Limits()

    def may(self, scope: Scope) -> bool:
        """Whether the caller's scope allows what needs `scope`."""
        return SCOPES.index(self.scope) >= SCOPES.index(scope)

    @property
    def actor(self) -> str:
        """How the audit log names the caller."""
        return f"{self.key_id} ({self.name})" if self.key_id else self.name
