"""The codes of the warnings that a job's method can give. They are stable; `MEANINGS` is what the docs print."""

METHOD_TERM_WITHOUT_EFFECT = "METHOD_TERM_WITHOUT_EFFECT"

MEANINGS: dict[str, str] = {
    METHOD_TERM_WITHOUT_EFFECT: "A term of the method cannot teach with this dataset, as with two classes; the message "
    "names it.",
}
