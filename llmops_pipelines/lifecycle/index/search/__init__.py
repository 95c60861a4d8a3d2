"""Questions to passages: words and vectors, their fusion and its tuning, order by a cross-encoder, context."""
