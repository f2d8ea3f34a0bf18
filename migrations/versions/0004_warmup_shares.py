"""Stored specs: the warm-up of methods dkd and reviewkd is a share of the training, no longer a number of epochs.

`warmup_epochs` becomes `warmup`: that many of the job's epochs where it names them, else of the 240 of the papers.
"""

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

Json = sa.JSON(none_as_null=True)
jobs = sa.table("jobs", sa.column("id", sa.String), sa.column("spec", Json), sa.column("resolved", Json))
ROWS = 200
METHODS = ("dkd", "reviewkd")
PAPERS_EPOCHS = 240


def upgrade() -> None:
    """Rewrite the specs to what this version of the code reads."""
    _rewrite(_as_share)


def downgrade() -> None:
    """Rewrite the specs to what revision 0003 wrote."""
    _rewrite(_as_epochs)


def _as_share(method: dict[str, Any], epochs: float) -> dict[str, Any]:
    if "warmup_epochs" not in method:
        return method
    kept = {name: value for name, value in method.items() if name != "warmup_epochs"}
    return {**kept, "warmup": min(1.0, method["warmup_epochs"] / epochs)}


def _as_epochs(method: dict[str, Any], epochs: float) -> dict[str, Any]:
    if "warmup" not in method:
        return method
    kept = {name: value for name, value in method.items() if name != "warmup"}
    return {**kept, "warmup_epochs": round(method["warmup"] * epochs)}


def _changed(spec: dict[str, Any], change: Callable[[dict[str, Any], float], dict[str, Any]]) -> dict[str, Any]:
    """The spec with `change` applied to its method, or to each method of a combination."""
    method = spec.get("method")
    if not isinstance(method, dict):
        return spec
    told = (spec.get("training") or {}).get("epochs")
    epochs = float(told) if isinstance(told, int) else float(PAPERS_EPOCHS)
    if method.get("name") == "combined":
        terms = [change(term, epochs) if term.get("name") in METHODS else term for term in method["terms"]]
        return {**spec, "method": {**method, "terms": terms}}
    return {**spec, "method": change(method, epochs)} if method.get("name") in METHODS else spec


def _rewrite(change: Callable[[dict[str, Any], float], dict[str, Any]]) -> None:
    """Apply `change` to the methods of every spec, as submitted and as resolved, a few rows at a time."""
    connection = op.get_bind()
    last = ""
    while rows := connection.execute(sa.select(jobs).where(jobs.c.id > last).order_by(jobs.c.id).limit(ROWS)).all():
        for row in rows:
            resolved = row.resolved and {**row.resolved, "spec": _changed(row.resolved["spec"], change)}
            values = {"spec": _changed(row.spec, change), "resolved": resolved}
            connection.execute(sa.update(jobs).where(jobs.c.id == row.id).values(values))
        last = rows[-1].id
