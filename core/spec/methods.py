"""The knobs of every method: one small model each, told apart by `name`. The arithmetic is in core.methods."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from core.spec.part import Auto, Part

Fidelity = Literal["as published", "our variant", "common practice"]


class SkdKnobs(Part):
    """Specialization by feature maps and labels (Liu et al., CVPRW 2023; our variant)."""

    source: ClassVar[str] = (
        "Liu et al., CVPR Workshops 2023; read in its abstract alone, so the arithmetic is our variant"
    )
    fidelity: ClassVar[Fidelity] = "our variant"
    name: Literal["skd"] = Field("skd", description="tells the methods apart")
    weight: Annotated[float, Field(ge=0)] | Auto = Field(
        "auto", description="of the feature term against the label term; auto: by form"
    )
    label_weight: float = Field(1.0, ge=0, description="of the cross-entropy")
    form: Literal["mse", "attention", "cosine", "pkd"] = Field("mse", description="how two maps are compared")
    taps: Literal["last", "all"] | tuple[str, ...] = Field(
        "last", description="which maps: the last before pooling, one per resolution, or the teacher's modules by path"
    )


class KdKnobs(Part):
    """Hinton's distillation; teacher logits restricted to the chosen classes and renormalized."""

    source: ClassVar[str] = "Hinton, Vinyals and Dean 2015, arXiv:1503.02531"
    fidelity: ClassVar[Fidelity] = "as published"
    name: Literal["kd"] = Field("kd", description="tells the methods apart")
    temperature: float = Field(4.0, gt=0, description="softens both sides")
    weight: float = Field(0.9, ge=0, description="of T^2 KL(teacher || student)")
    label_weight: float = Field(0.1, ge=0, description="of the cross-entropy")


class ScratchKnobs(Part):
    """Labels only, from random weights (or from `student.weights`)."""

    source: ClassVar[str] = "supervised training, no distillation"
    fidelity: ClassVar[Fidelity] = "common practice"
    name: Literal["scratch"] = Field("scratch", description="tells the methods apart")


class FinetuneKnobs(Part):
    """Labels only, a fresh head on given weights: `student.weights`, published ones, or with student `same` the
    teacher's.
    """

    source: ClassVar[str] = "transfer learning, no distillation"
    fidelity: ClassVar[Fidelity] = "common practice"
    name: Literal["finetune"] = Field("finetune", description="tells the methods apart")
    freeze_backbone: bool = Field(False, description="true: a linear probe")


MethodKnobs = Annotated[SkdKnobs | KdKnobs | ScratchKnobs | FinetuneKnobs, Field(discriminator="name")]
KNOBS: dict[str, type[Part]] = {
    knobs.model_fields["name"].default: knobs for knobs in (SkdKnobs, KdKnobs, ScratchKnobs, FinetuneKnobs)
}
TEACHERLESS = frozenset({"scratch", "finetune"})
