"""Networks: families, published weights, taps, sizes, and their fast forms."""
