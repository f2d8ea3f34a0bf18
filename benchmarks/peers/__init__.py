"""Other libraries' training loops, driven as they are: one adapter each."""
