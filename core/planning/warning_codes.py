"""The codes of the warnings that planning a job can give. They are stable; `MEANINGS` is what the docs print."""

STUDENT_WEIGHTS_UNREACHABLE = "STUDENT_WEIGHTS_UNREACHABLE"

MEANINGS: dict[str, str] = {
    STUDENT_WEIGHTS_UNREACHABLE: "The student's published weights exist and could not be used; the message says "
    "why, and with which weights it begins instead.",
}
"""Code -> what the warning tells, in one sentence."""
