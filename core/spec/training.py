"""How a network is trained: optimizer, schedule, augmentation, limits."""

from typing import Annotated, Literal

from pydantic import Field

from core.spec.devices import PATTERN
from core.spec.part import Auto, Part


class EarlyStopping(Part):
    """Stop when a validation metric has not improved for `patience` epochs; the best epoch's weights are kept."""

    metric: Literal["val/top1", "val/loss"] = Field("val/top1", description="top1 rises, loss falls")
    patience: int = Field(10, ge=1, description="epochs without improvement")


class TrainingSpec(Part):
    """How the student is trained. The baselines get the same, steps included."""

    epochs: Annotated[int, Field(ge=1, le=100_000)] | Auto = Field(
        "auto", description="passes over the training split; auto: by its size"
    )
    max_steps: int | None = Field(
        None, ge=1, description="optimizer steps after which training ends, whatever `epochs` says"
    )
    batch_size: Annotated[int, Field(ge=1, le=65_536)] | Auto = Field(
        "auto", description="images; auto: 64, fewer where the split is smaller"
    )
    learning_rate: Annotated[float, Field(gt=0)] | Auto = Field(
        "auto", description="peak rate; auto: by optimizer, method and batch size"
    )
    optimizer: Literal["auto", "sgd", "muon", "adamw"] = Field(
        "auto",
        description="sgd: Nesterov momentum 0.9; muon: the same, its direction made orthogonal for the kernels of "
        "convolutions, at sgd's rates; auto: muon for convolutional students, but sgd for method finetune and where "
        "a teacher or a generator learns too",
    )
    weight_decay: Annotated[float, Field(ge=0)] | Auto = Field(
        "auto",
        description="auto: 5e-4 for sgd, which decays everything with the gradient; apart from it 0.1 for muon, which "
        "decays the kernels of convolutions, and 0.05 for adamw, which decays all but vectors",
    )
    schedule: Literal["auto", "cosine", "multistep", "onecycle", "constant"] = Field(
        "auto",
        description="of the learning rate, step by step; auto: constant, with the weights averaged, for random weights "
        "and up to eight passes over the training split, else cosine",
    )
    milestones: tuple[float, ...] = Field(
        (0.625, 0.75, 0.875),
        description="multistep: shares of all steps after which the rate falls (150, 180, 210 of 240)",
    )
    decay_factor: float = Field(0.1, gt=0, lt=1, description="multistep: what the rate is multiplied by")
    warmup_epochs: Annotated[float, Field(ge=0)] | Auto = Field(
        "auto",
        description="epochs of linear rise of the rate; auto: a tenth of the steps where `schedule` is auto and "
        "comes out constant, else 0",
    )
    label_smoothing: float = Field(0.0, ge=0, lt=1, description="share of each label spread over all classes")
    ema_decay: Annotated[float, Field(gt=0, lt=1)] | Auto | None = Field(
        "auto",
        description="per step; null: no averaging. The averaged weights are the result; auto: 0.99 where `schedule` is "
        "auto and comes out constant, else null",
    )
    augmentation: Literal["auto", "none", "crop", "light", "strong"] = Field(
        "auto",
        description="crop: random crops; light: crop and flip; strong: RandAugment besides; auto: light, but "
        "crop for builtin:digits, and none for up to eight passes over the training split",
    )
    mixup_alpha: float = Field(0.0, ge=0, description="Beta(alpha, alpha) of mixup; 0: off")
    cutmix_alpha: float = Field(
        0.0, ge=0, description="Beta(alpha, alpha) of CutMix; 0: off. Both given: each batch draws one"
    )
    clip_gradient_norm: Annotated[float, Field(gt=0)] | Auto | None = Field(
        "auto",
        description="largest global L2 norm of the gradients; null: no clipping; auto: as the method's authors, 1 for "
        "method prokt, else null",
    )
    early_stopping: EarlyStopping | None = Field(None, description="null: train all epochs")
    image_size: Annotated[int, Field(ge=8, le=1024)] | Auto = Field(
        "auto", description="height and width the student sees, pixels; auto: by the dataset's images"
    )
    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field(
        "auto", description="auto: bf16 where the device computes in it (GPU, CPU with AVX-512 BF16 or AMX), else fp32"
    )
    teacher_precision: Literal["auto", "same", "int8"] = Field(
        "auto",
        description="of a frozen teacher while it teaches. same: `precision`; int8: convolutions in 8-bit integers, "
        "where they gain and what the teacher says hardly moves, else same; needs a CPU with AVX-512 VNNI; auto: int8 "
        "where the CPU has it and `precision` is auto, else same",
    )
    kernels: Literal["auto", "torch", "own"] = Field(
        "auto",
        description="for 3x3 convolutions and batch norms in what is trained on a CPU. own: the engine's, faster, "
        "compiled when they are first used; they need precision bf16, a CPU with AVX-512 BF16 and a C++ compiler; "
        "auto: own where that is so and the training is not very short, else torch",
    )
    compile: Auto | bool = Field(
        "auto",
        description="torch.compile the networks; auto: on a GPU, where the training is long enough to pay for it",
    )
    teacher_pass: Literal["auto", "live", "stored"] = Field(
        "auto",
        description="live: the teacher sees every batch; stored: it sees `stored_views` views of each image once, and "
        "what it said is read from disk, also by later jobs; auto: stored where the method allows it and it pays",
    )
    stored_views: Annotated[int, Field(ge=1, le=1024)] | Auto = Field(
        "auto",
        description="views of each image in a stored teacher pass; an epoch takes the next one; auto: 8, without "
        "augmentation 1",
    )
    stored_precision: Literal["fp16", "int8"] = Field("fp16", description="of what a stored teacher pass keeps")
    seed: int = Field(0, ge=0, lt=2**31, description="of weights, splits, order and augmentation")
    micro_batch_size: Annotated[int, Field(ge=1, le=65_536)] | Auto = Field(
        "auto",
        description="images that go through the networks at once; their gradients are added up to those of a batch; "
        "auto: the whole batch, halved when memory runs out",
    )
    devices: Annotated[str, Field(pattern=PATTERN)] = Field(
        "auto",
        description="auto, cpu or cuda, and how many: cuda:4 trains on four GPUs of one host, cpu:2 in two processes; "
        "auto: one GPU where there is one; auto:4: four GPUs, or four processes where there is none",
    )
    keep_trajectory: int = Field(
        0,
        ge=0,
        le=1000,
        description="checkpoints of the student's own training to publish, evenly spaced, for method rco",
    )
    checkpoint_seconds: float = Field(
        60.0,
        gt=0,
        description="most seconds between checkpoints; an epoch's end is one too, where a tenth of them has passed",
    )
    max_runtime_seconds: float | None = Field(
        None, gt=0, description="seconds over all attempts, after which the job fails; null: no limit"
    )
