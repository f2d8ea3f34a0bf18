"""Everything that is determined before training: values for every `auto`, the runs, the estimate."""
