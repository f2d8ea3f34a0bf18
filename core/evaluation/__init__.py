"""How good a network is: its predictions, figures over them, and its latency."""
