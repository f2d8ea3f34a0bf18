"""What several methods are made of: distances between feature maps, tap pairs, products in full precision."""
