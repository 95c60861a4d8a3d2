"""Lineage: what a release was made of, what changed, which part is to blame, and how something is taken out again."""
