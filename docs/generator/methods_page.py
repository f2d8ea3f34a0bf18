"""The page of all methods: what each needs, where it comes from, and its knobs."""

from core.spec import KNOBS, Knobs
from docs.generator.markdown import cell, code, page, table
from docs.generator.schema import fields_table

INTRODUCTION = """\
How a student learns. `method` in a job is a name, an object with a name and knobs, or a list of either, whose loss
terms are added. *fidelity* says how close the implementation is to its source: *as published* follows the paper or
the authors' code; *our variant* differs, and the source line says why; *common practice* has no single paper. [How
the methods compare on real images](../explanation/methods.md)."""
NEEDS = """\
What a method needs: *teacher*, any teacher; *labels*, the classes of the training images; *common classes*, a
teacher that knows the classes of the job; *initial weights*, a student that starts from given weights;
*trajectory*, checkpoints of the teacher's own training; *target images*, images of a second domain without labels
(`dataset.target_uri`). A job that lacks one of them is refused when it is submitted, or in `preparing` where only
the data can tell."""


def methods_page() -> str:
    """A table of all methods, then one section each."""
    single = {name: knobs for name, knobs in KNOBS.items() if name != "combined"}
    overview = table(
        ["method", "needs", "fidelity", "in a list", "several teachers"],
        [_row(name, knobs) for name, knobs in single.items()],
    )
    sections = [_section(name, knobs) for name, knobs in single.items()]
    return page("Methods", INTRODUCTION, [NEEDS], ["## All methods", "", *overview], *sections)


def _row(name: str, knobs: type[Knobs]) -> list[str]:
    together, teachers = (("yes" if yes else "no") for yes in (knobs.can_be_combined, knobs.takes_more_teachers))
    return [f"[{name}](#{name})", ", ".join(knobs.needs) or "nothing", knobs.fidelity, together, teachers]


def _section(name: str, knobs: type[Knobs]) -> list[str]:
    schema = knobs.model_json_schema()
    summary = schema.get("description", "").split("\n\n")[0]
    facts = [f"*{knobs.fidelity}*: {cell(knobs.source)}", "", f"Needs: {', '.join(knobs.needs) or 'nothing'}."]
    knob_table = fields_table(schema, leave_out=("name",))
    rows = knob_table if len(schema["properties"]) > 1 else ["This method has no knobs."]
    return [f"## {name}", "", cell(summary), "", *facts, "", *rows, "", f"Code: {code(f'core/methods/{name}.py')}."]
