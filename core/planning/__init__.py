"""What is found out and decided before training: every `auto` filled in, the runs, the estimate."""
