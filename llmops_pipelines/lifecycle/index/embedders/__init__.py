"""Texts to vectors: the model in this process or a service, what it is recognised by, and what is refused of it."""
