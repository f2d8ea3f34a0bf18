"""The engine as a process: the command, waiting engines, the launcher, output of events."""
