"""The codes of the warnings about a teacher. They are stable; `MEANINGS` is what the docs print."""

CLASSES_EXCHANGED = "TEACHER_CLASSES_EXCHANGED"
CLASSES_UNKNOWN = "TEACHER_CLASSES_UNKNOWN"
CLASSES_MISSING = "TEACHER_CLASSES_MISSING"

MEANINGS: dict[str, str] = {
    CLASSES_EXCHANGED: "The teacher gives most images of some classes each other's names; its names may be in another "
    "order than its outputs.",
    CLASSES_UNKNOWN: "Nobody says what the teacher's outputs mean, so its accuracy is neither checked nor reported.",
    CLASSES_MISSING: "The teacher lacks some of the job's classes, so its accuracy is neither checked nor reported.",
}
"""Code -> what the warning tells, in one sentence."""
