"""What a student begins with where the job leaves it open: published weights, else its teacher's layers, else random
values.
"""

from core.errors import RetortError
from core.events import JobWarning
from core.networks import zoo
from core.networks.at_hand import PublishedWeights, availability
from core.networks.relatives import find_relative
from core.planning import warning_codes
from core.spec import ResolvedStudent
from core.spec.pruned import split_pruned
from core.spec.uris.redaction import redacted
from core.system.workspace import Workspace


def find_published(architecture: str, workspace: Workspace) -> PublishedWeights:
    """The published weights of a student whose initial weights the job leaves open; they are downloaded here.

    Never raises for weights that are missing, damaged or out of reach: the student then begins with others.
    """
    try:
        found = availability(architecture, workspace)
        if not found.is_at_hand:
            relative = find_relative(architecture, workspace)
            return PublishedWeights(usable=False, relative=relative, told=found.told)
        zoo.build(architecture, pretrained=True, policy=workspace.policy, cache=workspace.cache)
    except RetortError as error:
        return PublishedWeights(usable=False, told=error.message)
    return PublishedWeights(usable=True, told=found.told)


def describe_beginning(student: ResolvedStudent, published: PublishedWeights) -> str:
    """The student's initial weights with the reason, in words that follow "begins with"."""
    if student.weights == "published":
        whole, most = split_pruned(student.architecture)
        pruned = "" if most is None else f", with at most {most} hidden channels in a block"
        return f"the published weights of {whole}{pruned}" + (f" ({published.told})" if published.told else "")
    because = f", because {published.told}" if published.told else ""
    if student.weights == "teacher":
        return f"weights of its teacher, by weight selection (Xu et al., ICLR 2024){because}"
    if student.weights == "relative":
        return f"channels of {published.relative or 'a wider relative'}, whose published weights are at hand{because}"
    if student.weights is None:
        return f"random weights{because}"
    return f"the weights of {redacted(student.weights)}"


def fallback_warning(student: ResolvedStudent, published: PublishedWeights) -> JobWarning | None:
    """The warning where weights are published and cannot be used."""
    if published.usable or not published.told:
        return None
    whole, _ = split_pruned(student.architecture)
    return JobWarning(
        code=warning_codes.STUDENT_WEIGHTS_UNREACHABLE,
        message=f"the student begins with {describe_beginning(student, published)}",
        hint=f"an operator can add them: retort weights add {whole} FILE",
    )
