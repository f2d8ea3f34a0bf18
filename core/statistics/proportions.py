"""The interval of one proportion, such as the accuracy of one network."""

import math

Z_95 = 1.959963984540054  # the 97.5% quantile of the normal distribution: two-sided 95%


def wilson(successes: int, trials: int, z: float = Z_95) -> tuple[float, float]:
    """Wilson's score interval of a proportion (E. B. Wilson, JASA 1927); (0, 1) without any trial."""
    if trials == 0:
        return 0.0, 1.0
    share = successes / trials
    scale = 1 + z * z / trials
    middle = (share + z * z / (2 * trials)) / scale
    half = z / scale * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    # With no successes, or only successes, the bound is exact; rounding must not push it past the proportion.
    low = 0.0 if successes == 0 else middle - half
    high = 1.0 if successes == trials else middle + half
    return low, high
