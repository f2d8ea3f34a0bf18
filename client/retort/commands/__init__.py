"""The commands of `retort`, a file for each kind."""
