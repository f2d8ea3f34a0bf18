"""Compression and a second domain: PACS, from photographs to each other domain.

The teacher is fine-tuned on labelled photographs, by each seed anew. Adaptation alone is method kd_uda with the weight
of its distillation at 0: then the teacher moves and the student, which has no part in it, stays as it was.
"""

import zipfile
from pathlib import Path
from typing import Any

from benchmarks.comparison.rows import TEACHERS_WEIGHTS
from benchmarks.comparison.runs import Run, training_of

SOURCE, TARGETS = "photo", ("art_painting", "cartoon", "sketch")
CLASSES = ("dog", "elephant", "giraffe", "guitar", "horse", "house", "person")
TEACHER, STUDENT = "cifar/resnet20", "cifar/resnet8"
RANDOM, BEGUN = ({"architecture": STUDENT, "weights": weights} for weights in (None, "teacher"))
TEACHER_WEIGHTS = "file://{data}/weights/cifar100_resnet20.pth"
ADAPTED = "teacher.safetensors"  # among what kd_uda makes
SIZE = 32  # pixels: at 64, which the engine would choose, all takes four times as long
# Of 1,670 photographs 1,052 train; each target has 614 to 1,179 test images.
TEST_FRACTION = 0.3
ADAPTATION_ALONE = {"name": "kd_uda", "distillation_start": 0.0, "distillation_end": 0.0}


def write_domains(archive: Path, folder: Path) -> None:
    """A zip of class folders for each domain, pacs_<domain>.zip below `folder`, where it is not there yet."""
    with zipfile.ZipFile(archive) as whole:
        for domain in (SOURCE, *TARGETS):
            path = folder / f"pacs_{domain}.zip"
            if path.exists():
                continue
            with zipfile.ZipFile(path.with_suffix(".part"), "w", zipfile.ZIP_STORED) as part:
                for name in whole.namelist():
                    if name.startswith(f"{domain}/") and name.endswith(".jpg"):
                        part.writestr(name.partition("/")[2], whole.read(name))
            path.with_suffix(".part").rename(path)


def domain_runs(*, steps: int, seed: int) -> list[tuple[str, Run]]:
    """(row, run), each run after those that it needs. Each training takes `steps` steps."""
    given = {"architecture": TEACHER, "weights": TEACHER_WEIGHTS}
    teacher = _run("finetune", steps, seed, student=given, is_kept=True)
    small = _run("kd", steps, seed, teacher=teacher, is_kept=True)
    begun = _run("kd", steps, seed, student=BEGUN, teacher=teacher, is_kept=True)
    rows = [
        ("the teacher, source only", teacher),
        ("source only", _run("scratch", steps, seed)),
        ("kd on the source", small),
        (f"kd on the source, {TEACHERS_WEIGHTS}", begun),
    ]
    for target in TARGETS:
        adapted = _run(ADAPTATION_ALONE, steps, seed, teacher=teacher, target=target, moved=TEACHER, is_kept=True)
        rows += [
            ("the teacher, adapted", adapted),
            ("kd, then adapted", _run(ADAPTATION_ALONE, steps, seed, teacher=small, target=target, moved=STUDENT)),
            (
                f"kd, then adapted, {TEACHERS_WEIGHTS}",
                _run(ADAPTATION_ALONE, steps, seed, teacher=begun, target=target, moved=STUDENT),
            ),
            ("adapted, then kd", _after_adaptation(adapted, target, steps, seed)),
            ("kd_uda", _run("kd_uda", steps, seed, teacher=teacher, target=target)),
            (
                f"kd_uda, {TEACHERS_WEIGHTS}",
                _run("kd_uda", steps, seed, student=BEGUN, teacher=teacher, target=target),
            ),
            (
                "kd_uda reversal",
                _run({"name": "kd_uda", "adaptation": "reversal"}, steps, seed, teacher=teacher, target=target),
            ),
        ]
    return rows


def _run(
    method: str | dict[str, Any],
    steps: int,
    seed: int,
    *,
    student: dict[str, Any] = RANDOM,
    teacher: Run | None = None,
    target: str | None = None,
    moved: str | None = None,
    is_kept: bool = False,
) -> Run:
    """`target`: the second domain, if the method sees one. `moved`: the architecture of the teacher, where not the
    student but the teacher as the method left it is what is measured."""
    spec = {
        "dataset": {"uri": _uri(SOURCE), "test_fraction": TEST_FRACTION},
        "student": student,
        "method": {"name": method} if isinstance(method, str) else method,
        "training": training_of(seed, steps, image_size=SIZE),
        "exports": ["safetensors"],
    }
    if teacher is not None:
        spec["teacher"] = {"weights": teacher.uri}
    if target is not None:
        spec["dataset"]["target_uri"] = _uri(target)
    tested = {"tested": {"architecture": moved, "weights": f"file://{{out}}/{ADAPTED}"}} if moved is not None else {}
    return Run(
        spec,
        tests={domain: _uri(domain) for domain in ([target] if target is not None else TARGETS)},
        after=(teacher,) if teacher is not None else (),
        is_kept=is_kept,
        **tested,
    )


def _after_adaptation(adapted: Run, target: str, steps: int, seed: int) -> Run:
    """kd on the source alone, from the teacher that was adapted to the target."""
    run = _run("kd", steps, seed)
    teacher = {"architecture": TEACHER, "weights": adapted.file(ADAPTED), "classes": list(CLASSES)}
    return Run({**run.spec, "teacher": teacher}, tests={target: _uri(target)}, after=(adapted,))


def _uri(domain: str) -> str:
    return f"file://{{data}}/pacs_{domain}.zip"
