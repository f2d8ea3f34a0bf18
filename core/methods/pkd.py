"""PKD: distillation by Pearson correlation (Cao et al., NeurIPS 2022, arXiv 2207.02039).

L = a CE(z_s, y) + b sum_l (1/2) mean (standardized s_l - standardized t_l)^2
  = a CE(z_s, y) + b sum_l (n - 1)/n mean_c (1 - r_c)

Each channel is standardized over its n = N H W values, with n - 1 degrees of freedom as in the authors' code; r_c is
Pearson's correlation of channel c of both maps. Made for detectors whose maps have the same channels; ours for
classifiers: a 1x1 convolution, trained along and not exported, where the channels differ, and the larger map pooled to
the smaller rather than the smaller blown up.
"""

from torch import Tensor, nn

from core.methods.parts.distances import pkd_distance, same_size
from core.methods.parts.feature_method import FeatureMethod
from core.networks.taps import TapPoint
from core.spec.knobs.pkd import PkdKnobs


class Pkd(FeatureMethod):
    """Labels, and the correlation of each channel with the teacher's."""

    term = "pkd"
    knobs: PkdKnobs

    def adapter(self, student: TapPoint, teacher: TapPoint) -> nn.Module:
        """Nothing where the channels are as many; no batch norm, whose scale and shift the loss does not see."""
        if student.channels == teacher.channels:
            return nn.Identity()
        return nn.Conv2d(student.channels, teacher.channels, 1, bias=False)

    def distance(self, adapter: nn.Module, student_map: Tensor, teacher_map: Tensor) -> Tensor:
        """At the smaller of both sizes."""
        student_map, teacher_map = same_size(student_map, teacher_map)
        return pkd_distance(adapter(student_map), teacher_map)
