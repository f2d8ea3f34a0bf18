"""Evaluation of a network: predictions, metrics, latency."""
