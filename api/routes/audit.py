"""/v1/audit: who did what, for those who have the scope admin."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from api.access_examples import AUDIT_PAGE
from api.dependencies import DatabaseDep
from api.openapi import EVERYWHERE, problems, success
from api.parameters import MAX_ROW_NUMBER, Parameters
from api.schemas.access import AuditEntryView, AuditPage
from store import audit

router = APIRouter(tags=["access"])


class AuditQuery(Parameters):
    """Which entries to read."""

    tenant: str | None = Field(None, max_length=63, description="of this tenant only")
    action: str | None = Field(None, max_length=64, description="such as submit_job", examples=["submit_job"])
    before: int | None = Field(None, ge=1, le=MAX_ROW_NUMBER, description="`next_cursor` of the page before")
    limit: int = Field(100, ge=1, le=1000)


@router.get(
    "/v1/audit",
    responses={200: success("Entries", AUDIT_PAGE), **problems(*EVERYWHERE, "PARAMETER_INVALID")},
)
def list_audit(query: Annotated[AuditQuery, Query()], database: DatabaseDep) -> AuditPage:
    """Read the audit log, the newest entries first."""
    with database.read() as session:
        found = audit.list_entries(
            session, tenant=query.tenant, action=query.action, before=query.before, limit=query.limit + 1
        )
    shown = [AuditEntryView.model_validate(entry) for entry in found[: query.limit]]
    has_more = len(found) > query.limit
    return AuditPage(data=shown, has_more=has_more, next_cursor=shown[-1].id if has_more else None)
