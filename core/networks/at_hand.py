"""Where an architecture's published weights can be had on this machine: the operator's shelf, a download that was kept,
or the library's address; and what was found when a job began.
"""

import urllib.error
import urllib.request
from dataclasses import dataclass

from core.networks.libraries import library
from core.networks.published import Published
from core.networks.weights.shelf import shelf_of
from core.networks.zoo import canonical
from core.spec.pruned import split_pruned
from core.system.workspace import Workspace

# A firewall that drops packets would otherwise hold a job back for minutes.
PROBE_SECONDS = 5.0


@dataclass(frozen=True)
class Availability:
    """Whether published weights are at hand. `told`: where from, or why not; empty where nobody publishes any."""

    is_at_hand: bool
    told: str


@dataclass(frozen=True)
class PublishedWeights:
    """Whether an architecture's published weights could be used when the job began, and why not."""

    usable: bool
    relative: str | None = None
    """Where they could not be used: a wider network of the family whose published weights were on the machine."""
    told: str = ""
    """Where they are from, or why they could not be used; empty where nobody publishes any."""


def availability(architecture: str, workspace: Workspace) -> Availability:
    """Where the published weights of the architecture are; the library's address is asked whether it answers.

    The weights of a pruned network are those of the whole one.
    Raises TeacherLoadFailed for a shelf that cannot be read.
    """
    architecture, _ = split_pruned(architecture)
    shelf = shelf_of(workspace.policy, workspace.cache)
    entry = shelf.entry(canonical(architecture)) if shelf is not None else None
    if entry is not None:
        return Availability(is_at_hand=True, told=f"from the operator's shelf, sha256 {entry.sha256[:12]}")
    prefix, _, name = architecture.partition("/")
    zoo = library(prefix)
    source = zoo.source(name) if zoo is not None else None
    if zoo is None or source is None:
        return Availability(is_at_hand=False, told="")
    if zoo.is_kept(name, Published(workspace.policy, workspace.cache)):
        return Availability(is_at_hand=True, told="downloaded before")
    why = _silence(source)
    if why:
        told = f"the published weights of {architecture} could not be reached at {source}: {why}"
        return Availability(is_at_hand=False, told=told)
    return Availability(is_at_hand=True, told=f"from {source}")


def _silence(address: str) -> str:
    """Why an address does not answer; empty if it does, with whatever status."""
    try:
        urllib.request.urlopen(urllib.request.Request(address, method="HEAD"), timeout=PROBE_SECONDS).close()
    except urllib.error.HTTPError:
        return ""
    except (OSError, ValueError) as error:
        return str(getattr(error, "reason", error))
    return ""
