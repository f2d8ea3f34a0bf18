"""Network specialization by feature-level knowledge distillation (Liu, Shang, Yao, Kompella, CVPRW 2023,
DOI 10.1109/CVPRW59228.2023.00339). The paper's text was not at hand: this is our variant of what its abstract says.

L = a CE(h(E_s(x)), y) + b sum_l D(A_l(s_l), sg[t_l])

Taps l: student map s_l (N, C_l, H, W), teacher map t_l (N, D_l, H', W'); the larger map is average-pooled to the
smaller. A_l: 1x1 convolution without bias and batch norm, C_l -> D_l, trained along and not exported. The teacher's
logits are never used, so its classes may be any. D compares two maps, by `form`: mse, cosine, pkd (all through A_l),
attention (no adapter).
"""

from torch import Tensor, nn

from core.methods.contract import MethodContext
from core.methods.parts.distances import (
    attention_distance,
    cosine_distance,
    mse_distance,
    pkd_distance,
    same_size,
)
from core.methods.parts.feature_method import FeatureMethod
from core.networks.taps import TapPoint
from core.spec.knobs.skd import SkdKnobs

# Of the weights 1, 10, 30 and 100 of mse, the middle ones were best (docs/explanation/specialization.md). No weight
# that was tried of cosine (3, 30) and pkd (3) clearly beat scratch: these and attention keep the label term's weight.
AUTO_WEIGHT = {"mse": 20.0, "cosine": 1.0, "pkd": 1.0, "attention": 1.0}
DISTANCES = {"mse": mse_distance, "cosine": cosine_distance, "pkd": pkd_distance, "attention": attention_distance}


class Skd(FeatureMethod):
    """Labels, and the teacher's feature maps through 1x1 adapters."""

    term = "feature"
    knobs: SkdKnobs

    def __init__(self, knobs: SkdKnobs, context: MethodContext) -> None:
        self.compares_positions = knobs.form == "attention"
        super().__init__(knobs, context)

    @classmethod
    def resolved(cls, knobs: SkdKnobs) -> SkdKnobs:
        """With the weight that suits the form."""
        return knobs.model_copy(update={"weight": AUTO_WEIGHT[knobs.form]}) if knobs.weight == "auto" else knobs

    def adapter(self, student: TapPoint, teacher: TapPoint) -> nn.Module:
        """1x1 convolution and batch norm to the teacher's channels; attention needs none."""
        if self.knobs.form == "attention":
            return nn.Identity()
        convolution = nn.Conv2d(student.channels, teacher.channels, 1, bias=False)
        return nn.Sequential(convolution, nn.BatchNorm2d(teacher.channels))

    def distance(self, adapter: nn.Module, student_map: Tensor, teacher_map: Tensor) -> Tensor:
        """By form, at the smaller of both sizes."""
        student_map, teacher_map = same_size(student_map, teacher_map)
        return DISTANCES[self.knobs.form](adapter(student_map), teacher_map)
