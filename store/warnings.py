"""The warnings of a job: each is an event, and a row while it holds."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy import delete, insert, or_, select
from sqlalchemy.orm import Session

from store.tables import job_warnings
from store.values import JobWarning, NewEvent


def as_events(warnings: Sequence[JobWarning]) -> list[NewEvent]:
    """The events that report the warnings; repetitions are left out."""
    return [NewEvent("warning", {"warning": asdict(warning)}) for warning in dict.fromkeys(warnings)]


def keep(session: Session, job_id: str, attempt: int, last_seq: int, warnings: Sequence[JobWarning]) -> None:
    """Store the warnings whose events end with number `last_seq`.

    An attempt that resumes the job reports again what it finds, perhaps with other figures: what earlier attempts
    reported under the same codes, and what this one reported in the same words, is replaced.
    """
    kept = list(dict.fromkeys(warnings))
    if not kept:
        return
    codes, messages = {warning.code for warning in kept}, {warning.message for warning in kept}
    replaced = or_(job_warnings.c.attempt.between(1, attempt - 1), job_warnings.c.message.in_(messages))
    session.execute(
        delete(job_warnings).where(job_warnings.c.job_id == job_id, job_warnings.c.code.in_(codes), replaced)
    )
    first = last_seq - len(kept) + 1
    rows = [
        {"job_id": job_id, "seq": first + offset, "attempt": attempt, **asdict(warning)}
        for offset, warning in enumerate(kept)
    ]
    session.execute(insert(job_warnings), rows)


def forget(session: Session, job_id: str) -> None:
    """Drop what attempts have reported; the warnings of the submission stay."""
    session.execute(delete(job_warnings).where(job_warnings.c.job_id == job_id, job_warnings.c.attempt > 0))


def of_jobs(session: Session, job_ids: Sequence[str]) -> dict[str, tuple[JobWarning, ...]]:
    """The warnings of jobs by id, in the order in which they were reported; () for a job without."""
    found: dict[str, list[JobWarning]] = defaultdict(list)
    wanted = select(job_warnings).where(job_warnings.c.job_id.in_(job_ids))
    for row in session.execute(wanted.order_by(job_warnings.c.job_id, job_warnings.c.seq)).mappings():
        found[row["job_id"]].append(JobWarning(row["code"], row["message"], row["hint"], row["count"]))
    return {job_id: tuple(found[job_id]) for job_id in job_ids}
