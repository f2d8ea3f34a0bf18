"""Teachers that do not learn: their outputs, their check, their checkpoints, and the stored pass."""
