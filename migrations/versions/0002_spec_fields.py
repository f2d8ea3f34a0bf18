"""Stored specs: `training.convolutions` is `training.kernels`, and `webhook_url`, which could only be null, is gone.

The code of revision 0001 reads `kernels` as well, so the way back only adds `webhook_url` again.
"""

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

Json = sa.JSON(none_as_null=True)
jobs = sa.table("jobs", sa.column("id", sa.String), sa.column("spec", Json), sa.column("resolved", Json))
ROWS = 200
KERNELS = {"kernel": "own"}  # other values kept their names


def upgrade() -> None:
    """Rewrite the specs to what this version of the code reads."""
    _rewrite(_newer)


def downgrade() -> None:
    """Rewrite the specs to what revision 0001 wrote."""
    _rewrite(lambda spec: {**spec, "webhook_url": None})


def _newer(spec: dict[str, Any]) -> dict[str, Any]:
    spec = {name: value for name, value in spec.items() if name != "webhook_url"}
    training = dict(spec.get("training") or {})
    if "convolutions" in training:
        old = training.pop("convolutions")
        training.setdefault("kernels", KERNELS.get(old, old))
        spec["training"] = training
    return spec


def _rewrite(change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Apply `change` to every spec, as submitted and as resolved, a few rows at a time."""
    connection = op.get_bind()
    last = ""
    while rows := connection.execute(sa.select(jobs).where(jobs.c.id > last).order_by(jobs.c.id).limit(ROWS)).all():
        for row in rows:
            resolved = row.resolved and {**row.resolved, "spec": change(row.resolved["spec"])}
            values = {"spec": change(row.spec), "resolved": resolved}
            connection.execute(sa.update(jobs).where(jobs.c.id == row.id).values(values))
        last = rows[-1].id
