"""Weights from files that people bring: reading, fitting to a network, refusing."""
