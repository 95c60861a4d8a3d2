"""Which documents say almost the same: shingles, buckets, verified pairs, clusters."""
