"""Wider networks of a family whose published weights are at hand: a narrower network can begin with some of their
channels (core.networks.selection).
"""

import re

from core.errors import TeacherLoadFailed
from core.networks import zoo
from core.networks.libraries import library
from core.networks.network import Network
from core.networks.published import Published
from core.networks.selection import is_kin
from core.system.workspace import Workspace

# Libraries write a network's width at the end of its name, in hundredths: mobilenetv3_small_050, mobilenet_v1_075.
_WIDTH = re.compile(r"(?P<family>.+_)(?P<width>\d{3})")


def find_relative(architecture: str, workspace: Workspace) -> str | None:
    """The next wider network of the family whose weights are on the operator's shelf, or were downloaded before."""
    prefix, _, name = architecture.partition("/")
    found, zoo_of_names = _WIDTH.fullmatch(name), library(prefix)
    if found is None or zoo_of_names is None:
        return None
    published = Published(workspace.policy, workspace.cache)
    for wider in zoo_of_names.names():
        other = _WIDTH.fullmatch(wider)
        if other is None or other["family"] != found["family"] or other["width"] <= found["width"]:
            continue
        is_at_hand = published.shelved(f"{prefix}/{wider}") is not None or zoo_of_names.is_kept(wider, published)
        if is_at_hand and is_kin(zoo.outline(architecture), zoo.outline(f"{prefix}/{wider}")):
            return f"{prefix}/{wider}"
    return None


def build_relative(architecture: str, workspace: Workspace) -> Network:
    """The relative that `find_relative` finds, with its published weights; raises TeacherLoadFailed without one."""
    relative = find_relative(architecture, workspace)
    if relative is None:
        raise TeacherLoadFailed(
            f"no wider network of the family of {architecture} has published weights on this machine",
            hint="an operator can add some: retort weights add ARCHITECTURE FILE",
            pointer="/student/weights",
        )
    return zoo.build(relative, pretrained=True, policy=workspace.policy, cache=workspace.cache)
