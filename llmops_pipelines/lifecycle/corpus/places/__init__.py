"""One module per kind of place: how it is listed and how bytes are read from it. Each has a `look` that returns a `Listing`.

A place that cannot be listed completely raises `CorpusError`; an item that cannot be read raises `UnreadableFile`.
"""
