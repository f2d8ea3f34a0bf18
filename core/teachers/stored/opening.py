"""Opens the stored teacher pass of a prepared run."""

import torch

from core.data.dataset import Split
from core.job import PreparedRun
from core.methods.contract import Needs
from core.networks.network import Network
from core.spec import ResolvedTraining
from core.system.device import Arithmetic
from core.system.workspace import Workspace
from core.teachers.frozen import FrozenTeacher
from core.teachers.stored.record import Layout, layout_of
from core.teachers.stored.store import PassStore
from core.teachers.stored.stored_pass import StoredPass, address_of, store_root


def layout_for(training: ResolvedTraining, needs: Needs, teacher: Network) -> Layout:
    """The layout of a record with the teacher's outputs that a method needs."""
    size = training.image_size
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
    run: PreparedRun,
    needs: Needs,
    network: Network,
    teacher: FrozenTeacher,
    split: Split,
    arithmetic: Arithmetic,
    workspace: Workspace,
) -> StoredPass:
    """The pass of `network` over the run's training images, kept in the cache; `teacher` computes what is missing."""
    layout = layout_for(run.training, needs, network)
    address = address_of(
        network.state_dict(),
        architecture=network.architecture,
        input_format=network.input,
        fingerprint=run.dataset.facts.fingerprint,
        split=split,
        augmenter=run.augmenter,
        taps=needs.teacher_taps,
        layout=layout,
        arithmetic=arithmetic,
        teacher_precision=run.training.teacher_precision,
    )
    store = PassStore(
        store_root(workspace.cache),
        address,
        num_records=len(split.labels),
        record_bytes=layout.record_bytes,
        max_bytes=workspace.policy.max_teacher_pass_bytes,
    )
    num_views = run.training.stored_views
    return StoredPass(split, run.augmenter, layout, store, num_views, arithmetic, teacher.observe)
