"""HTTP in, rows out: the FastAPI service. It imports no torch."""
