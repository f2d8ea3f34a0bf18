"""A queue message becomes one engine process."""
