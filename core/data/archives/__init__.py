"""Zip and tar archives, read in place and never extracted."""
