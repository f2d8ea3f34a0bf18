"""Names of networks with fewer expanded channels: `timm/tf_efficientnet_lite0+pruned640` is lite0 in which no block
expands to more than 640 channels.
"""

import re

_SUFFIX = re.compile(r"(?P<base>.+)\+pruned(?P<most>[1-9]\d{0,4})")


def split_pruned(architecture: str) -> tuple[str, int | None]:
    """(name of the whole network, most channels that a block expands to); None for a network that is not pruned."""
    found = _SUFFIX.fullmatch(architecture)
    return (found["base"], int(found["most"])) if found is not None else (architecture, None)
