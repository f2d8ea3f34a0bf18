"""The customer's images: fetched, read in any of the formats, chosen, split, decoded once, augmented in batches."""
