"""The codes of the warnings that a weights file can give. They are stable; `MEANINGS` is what the docs print."""

AMBIGUOUS = "WEIGHTS_AMBIGUOUS"
BY_ORDER = "WEIGHTS_BY_ORDER"
IGNORED = "WEIGHTS_IGNORED"

MEANINGS: dict[str, str] = {
    AMBIGUOUS: "The weights file holds several networks that fit; the message names the one that is used.",
    BY_ORDER: "The tensors were taken in the order of the file, as weights_map says; only shapes were compared.",
    IGNORED: "The weights file has further heads, which the network does not have and which are not used.",
}
"""Code -> what the warning tells, in one sentence."""
