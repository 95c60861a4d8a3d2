"""Parsers: bytes of one file in, pieces of text out. They run in child processes only."""
