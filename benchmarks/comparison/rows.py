"""The rows of the comparison on CIFAR-100: every method of core.spec with its defaults, and variants of some."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.cifar100 import every_tenth
from benchmarks.comparison.runs import Run, training_of
from core.spec.knobs import LISTED

TEACHER, STUDENT = "resnet56", "cifar/resnet8"
IMAGES = 100
FEW_SHOT_IMAGES = (10, 50, 500)
FEW_SHOT = (
    "skd",
    "simkd",
    "kd",
    "scratch",
    "finetune",
    "scratch, teacher's weights",
    "pkd, teacher's weights",
)

# What 8-bit teachers, where the machine has them, are to be compared with.
PLAIN_TEACHER = "teacher not in int8"

# A student that begins with the first blocks of its teacher, for methods of every kind.
TEACHERS_WEIGHTS = "teacher's weights"
BEGUN_FROM_THE_TEACHER = {
    "scratch": {"name": "scratch"},
    "kd": {"name": "kd"},
    "skd": {"name": "skd"},
    "simkd": {"name": "simkd"},
    "sp": {"name": "sp"},
    "reviewkd": {"name": "reviewkd"},
    "pkd": {"name": "pkd"},
    "simkd, data-free": {"name": "simkd", "data_free": True},
}

# A teacher with a trajectory is trained here: by the vendor's means, on all images of the ten classes, for longer.
OWN_TEACHER = "cifar/resnet20"
OWN_TEACHER_STEPS = 4
OWN_TEACHER_IMAGES = 500
# Methods that the student of these tables cannot use: deit needs one with a distillation token.
OTHER_STUDENTS = {"deit"}


@dataclass(frozen=True)
class Row:
    """A method as a job names it. `training`: fields that differ from what the engine would choose."""

    label: str
    method: Any
    training: dict[str, Any] = field(default_factory=dict)
    weights: str | None = None
    """The student's initial weights, as a job names them."""
    more_teachers: tuple[str, ...] = ()
    note: str = ""
    is_taught_by_own_teacher: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The methods that it is made of."""
        each = self.method if isinstance(self.method, list) else [self.method]
        return tuple(one["name"] for one in each)

    @property
    def needs(self) -> frozenset[str]:
        """What the methods ask of a job."""
        return frozenset(need for name in self.names for need in LISTED[name].needs)

    @property
    def fidelity(self) -> str:
        """How sure we are of the formula, as the catalogue has it."""
        return ", ".join(dict.fromkeys(LISTED[name].fidelity for name in self.names))

    @property
    def has_own_teacher(self) -> bool:
        """Whether its teacher is the one that is trained here."""
        return self.is_taught_by_own_teacher or "trajectory" in self.needs

    @property
    def notes(self) -> str:
        """What a reader must know to compare it with the other rows."""
        notes = [self.note] if self.note else []
        if self.has_own_teacher:
            notes.append(f"teacher: our {OWN_TEACHER}")
        if "initial weights" in self.needs:
            notes.append("the teacher's own network with a fresh head, not the student")
        return "; ".join(notes)


def _of(name: str, label: str, note: str = "", **knobs: Any) -> Row:
    return Row(label, {"name": name, **knobs}, note=note)


VARIANTS = (
    _of("kd", "kd standardize", standardize=True),
    _of("dkd", "dkd standardize", standardize=True),
    _of("dkd", "dkd, warm-up 0.08", note="the authors' share: 20 of 240 epochs", warmup=0.08),
    _of("dkd", "dkd, warm-up 1", warmup=1.0),
    _of("reviewkd", "reviewkd, warm-up 0.5", warmup=0.5),
    _of("mlkd", "mlkd standardize", standardize=True),
    _of("skd", "skd all taps", taps="all"),
    _of("skd", "skd attention", form="attention"),
    _of("skd", "skd cosine", form="cosine"),
    _of("skd", "skd pkd", form="pkd"),
    _of("fitnet", "fitnet, two stages", stages=2),
    _of("prokt", "prokt dual", form="dual"),
    _of("rco", "rco features", form="features"),
    _of("rco", "rco greedy", route="greedy"),
    Row("kd, rco's teacher", {"name": "kd"}, is_taught_by_own_teacher=True, note="what rco is to be compared with"),
    Row("patient, mixup", {"name": "patient"}, training={"mixup_alpha": 1.0}),
    Row("simkd, three teachers", {"name": "simkd"}, more_teachers=("resnet44", "resnet32"), note="resnet44, resnet32"),
    _of("simkd", "simkd, data-free", note="looks at no training image", data_free=True),
    *(
        Row(f"{name}, {PLAIN_TEACHER}", {"name": name}, training={"teacher_precision": "same"})
        for name in ("kd", "simkd")
    ),
    _of("pkd", "pkd last tap", taps="last"),
    *(
        Row(f"{label}, {TEACHERS_WEIGHTS}", method, weights="teacher")
        for label, method in BEGUN_FROM_THE_TEACHER.items()
    ),
    Row("kd + skd", [{"name": "kd"}, {"name": "skd"}]),
    Row("kd + crd", [{"name": "kd"}, {"name": "crd"}]),
)


def all_rows() -> tuple[Row, ...]:
    """Every method that needs no second domain and no student of another make, then the variants."""
    without = {name for name, knobs in LISTED.items() if "target images" in knobs.needs} | OTHER_STUDENTS
    defaults = (_of(name, name) for name in LISTED if name not in without)
    return (*defaults, *VARIANTS)


def chosen(labels: Sequence[str] | None) -> tuple[Row, ...]:
    """The rows with these labels, all where none are given; raises ValueError for a label that is none."""
    rows = {row.label: row for row in all_rows()}
    for label in labels or ():
        if label not in rows:
            raise ValueError(f"no row is called {label!r}; there are: {', '.join(rows)}")
    return tuple(row for label, row in rows.items() if labels is None or label in labels)


def run_of(row: Row, *, classes: Sequence[str], images: int, steps: int, seed: int) -> Run:
    """The row's training for one seed. `classes`: all of CIFAR-100's; `images`: of each of the ten, a tenth of them
    held out for validation."""
    own = own_teacher(classes, steps) if row.has_own_teacher else None
    needs_given = "initial weights" in row.needs
    spec: dict[str, Any] = {
        "dataset": _dataset(classes, images),
        "student": {"size": "same"} if needs_given else {"architecture": STUDENT, "weights": row.weights},
        "method": row.method,
        "training": training_of(seed, steps, **row.training),
        "exports": ["safetensors"],
    }
    if "teacher" in row.needs or needs_given or row.weights == "teacher":
        spec["teacher"] = {"weights": own.uri} if own is not None else _published(TEACHER, classes)
    if row.more_teachers:
        spec["more_teachers"] = [_published(name, classes) for name in row.more_teachers]
    return Run(spec, after=(own,) if own is not None else ())


def own_teacher(classes: Sequence[str], steps: int) -> Run:
    """The teacher whose checkpoints exist, the same for all rows and seeds."""
    spec = {
        "dataset": _dataset(classes, OWN_TEACHER_IMAGES),
        "student": {"architecture": OWN_TEACHER},
        "method": {"name": "scratch"},
        "training": training_of(0, OWN_TEACHER_STEPS * steps),
    }
    return Run(spec, is_kept=True)


def _dataset(classes: Sequence[str], images: int) -> dict[str, Any]:
    ten = list(every_tenth(list(classes)))
    return {"uri": "file://{data}/cifar100.zip", "classes": ten, "max_per_class": images}


def _published(name: str, classes: Sequence[str]) -> dict[str, Any]:
    weights = f"file://{{data}}/weights/cifar100_{name}.pth"
    return {"architecture": f"cifar/{name}", "weights": weights, "classes": list(classes)}
