"""report.html: one self-contained page, dark and light, without scripts, fonts or images from anywhere."""

import jinja2

from core.report import words
from core.report.outcome import Outcome
from core.report.rows import rows
from core.report.verdict import verdict


def html_page(outcome: Outcome) -> str:
    """The page. Everything that a user named is escaped by the template engine."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("core.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.globals["words"] = words
    return environment.get_template("report.html.j2").render(
        outcome=outcome, rows=rows(outcome), verdict=verdict(outcome)
    )
