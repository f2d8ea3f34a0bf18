"""Names of students with a label head and a distillation head whose outputs are mixed (method dho): `<base>+dho`."""

MARK = "+dho"


def name_two_heads(base: str) -> str:
    """The architecture's name; `split_two_heads` is the other way round."""
    return base + MARK


def split_two_heads(architecture: str) -> tuple[str, bool]:
    """(name of the architecture with one head, whether it had two)."""
    return architecture.removesuffix(MARK), architecture.endswith(MARK)
