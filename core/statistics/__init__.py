"""What a test split can tell: intervals of accuracies, and the test of two networks on the same images."""
