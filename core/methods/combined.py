"""Several methods at once: L = the sum of their terms, with the label term of the first that has one.

Each method keeps its own adapters and weights; the student and the teacher run once a batch for all of them.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from torch import Tensor, nn

from core import methods
from core.events import JobWarning
from core.methods.contract import Batch, MethodContext, Needs, TrainingProgress
from core.methods.method import Method
from core.networks.network import Features, Network
from core.spec import CombinedKnobs, Knobs


class Combined(Method):
    """The terms of several methods, by the names `<method>_<term>`; `label` is counted once."""

    knobs: CombinedKnobs

    def __init__(self, knobs: CombinedKnobs, context: MethodContext) -> None:
        super().__init__(knobs, context)
        built = [_build(part, context) for part in knobs.terms]
        self.parts, self._methods = nn.ModuleList(built), tuple(built)
        self.needs = united([part.needs for part in built])

    @classmethod
    def resolved(cls, knobs: CombinedKnobs) -> CombinedKnobs:
        """With the knobs of every part resolved."""
        return knobs.model_copy(update={"terms": tuple(_class_of(part).resolved(part) for part in knobs.terms)})

    def terms(self, student: Features, batch: Batch) -> dict[str, Tensor]:
        """All parts' terms; a part sees the taps that it asked for, in its own order."""
        total: dict[str, Tensor] = {}
        for place, part in enumerate(self._methods):
            for name, term in part.terms(*self._seen_by(part, student, batch)).items():
                if name == "label":
                    total.setdefault(name, term)
                else:
                    total[self._named(place, name)] = term
        return total

    def _named(self, place: int, name: str) -> str:
        method = self.knobs.terms[place].name
        before = sum(part.name == method for part in self.knobs.terms[:place])
        own = method if name == method else f"{method}_{name}"
        return f"{own}_{before + 1}" if before else own

    def _seen_by(self, part: Method, student: Features, batch: Batch) -> tuple[Features, Batch]:
        student = replace(student, maps=_chosen(student.maps, self.needs.student_taps, part.needs.student_taps))
        taps = self.needs.teacher_taps, part.needs.teacher_taps

        def seen(teachers: Iterable[Features]) -> tuple[Features, ...]:
            return tuple(replace(each, maps=_chosen(each.maps, *taps)) for each in teachers)

        (teacher,) = seen([batch.teacher]) if batch.teacher is not None else (None,)
        more, others = seen(batch.more_teacher), seen(batch.other_teachers)
        return student, replace(batch, teacher=teacher, more_teacher=more, other_teachers=others)

    def survey(self, batches: Iterator[Batch]) -> None:
        """Told to the parts that ask for it. The images themselves are let go, as there may be many."""
        seen = [replace(batch, views=batch.views[:0]) for batch in batches]
        for part in self._methods:
            if part.needs.survey:
                part.survey(iter(seen))

    def begin_epoch(self, progress: TrainingProgress) -> None:
        """Told to every part."""
        for part in self._methods:
            part.begin_epoch(progress)

    def begin_step(self, progress: TrainingProgress) -> None:
        """Passed on to every part."""
        for part in self._methods:
            part.begin_step(progress)

    def warnings(self) -> tuple[JobWarning, ...]:
        """Those of all parts, each once."""
        return tuple(dict.fromkeys(warning for part in self._methods for warning in part.warnings()))

    def set_training_mode(self) -> None:
        """As each part would have it; the last word is the last part's."""
        for part in self._methods:
            part.set_training_mode()

    def deployed(self) -> Network:
        """The network of the part that deploys another one than the student, else the student."""
        deployed = [part.deployed() for part in self._methods]
        return next((network for network in deployed if network is not self.context.student), self.context.student)


def united(needs: list[Needs]) -> Needs:
    """What all of them together ask of the loop."""
    return Needs(
        held_out=any(each.held_out for each in needs),
        num_views=max(each.num_views for each in needs),
        more_views="strong" if any(each.more_views == "strong" for each in needs) else "same",
        teacher_sees="all" if any(each.teacher_sees == "all" for each in needs) else "first",
        teacher_batch_statistics=any(each.teacher_batch_statistics for each in needs),
        survey=any(each.survey for each in needs),
        teacher_logits=any(each.teacher_logits for each in needs),
        teacher_pooled=any(each.teacher_pooled for each in needs),
        teacher_taps=_all_taps(each.teacher_taps for each in needs),
        student_taps=_all_taps(each.student_taps for each in needs),
    )


def _all_taps(groups: Iterable[tuple[int | str, ...]]) -> tuple[int | str, ...]:
    return tuple(dict.fromkeys(tap for taps in groups for tap in taps))


def _chosen(maps: tuple[Tensor, ...], taps: tuple[int | str, ...], wanted: tuple[int | str, ...]) -> tuple[Tensor, ...]:
    return tuple(maps[taps.index(tap)] for tap in wanted)


def _class_of(knobs: Knobs) -> type[Method]:
    return methods.find(knobs.name)


def _build(knobs: Knobs, context: MethodContext) -> Method:
    return _class_of(knobs)(knobs, context)
