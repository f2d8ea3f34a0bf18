"""The engine: a library and a command that distil a teacher into a student."""
