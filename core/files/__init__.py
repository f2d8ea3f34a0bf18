"""Atomic writing of files, and a cache of results addressed by content."""
