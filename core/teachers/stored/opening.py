"""From a prepared run to its stored teacher pass."""

import torch

from core.data.dataset import Split
from core.methods.method import Method
from core.planning.prepare import Place, Prepared, PreparedRun
from core.teachers.frozen import FrozenTeacher
from core.teachers.stored.record import Layout, layout_of
from core.teachers.stored.store import Shelf
from core.teachers.stored.stored_pass import StoredPass, address_of, shelf_root


def layout_for(run: PreparedRun, method: Method) -> Layout:
    """What a record holds for what this method asks of the teacher."""
    needs, training = method.needs, run.spec.training
    size = int(training.image_size)
    teacher = method.context.teacher
    device = next(teacher.parameters()).device
    with torch.no_grad():
        features = teacher.features(torch.zeros(1, 3, size, size, device=device), needs.teacher_taps)
    return layout_of(
        features,
        image_size=size,
        precision=training.stored_precision,
        keep_logits=needs.teacher_logits,
        keep_pooled=needs.teacher_pooled,
    )


def open_pass(
    prepared: Prepared, run: PreparedRun, method: Method, teacher: FrozenTeacher, split: Split, place: Place
) -> StoredPass:
    """The pass of the job's teacher over the run's training images, in the engine's cache."""
    layout, network = layout_for(run, method), method.context.teacher
    address = address_of(
        network.state_dict(),
        architecture=network.architecture,
        input_format=network.input,
        fingerprint=run.dataset.facts.fingerprint,
        split=split,
        augmenter=run.augmenter,
        taps=method.needs.teacher_taps,
        layout=layout,
        arithmetic=prepared.arithmetic,
        teacher_precision=run.spec.training.teacher_precision,
    )
    shelf = Shelf(
        shelf_root(place.cache),
        address,
        num_records=len(split.labels),
        record_bytes=layout.record_bytes,
        max_bytes=place.policy.max_teacher_pass_bytes,
    )
    num_views = int(run.spec.training.stored_views)
    return StoredPass(split, run.augmenter, layout, shelf, num_views, prepared.arithmetic, teacher.observe)
