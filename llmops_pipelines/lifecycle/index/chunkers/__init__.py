"""Texts cut into passages of so many tokens, each a verbatim slice of its text."""
