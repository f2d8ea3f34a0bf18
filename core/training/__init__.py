"""One training loop for every method, with checkpoint and exact resume."""
