"""Which ended jobs others still need: those that a job which may still run, or run again, names as job:<id>."""

from sqlalchemy import ColumnElement, String, cast, exists

from store.tables import jobs


def is_needed() -> ColumnElement[bool]:
    """The condition on `jobs` that its files are a teacher, or the first weights, of a job that runs, waits, or may be
    retried."""
    other = jobs.alias("other")
    names_it = cast(other.c.spec, String).contains("job:" + jobs.c.id)
    return exists().where(other.c.state != "succeeded", other.c.id != jobs.c.id, names_it)
