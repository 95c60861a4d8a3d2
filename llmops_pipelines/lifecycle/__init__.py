"""The life of a model as plain Python. Dagster is unknown below this line; heavy libraries are imported inside functions.

A stage imports only stages above it: lake, corpus, index, datasets, training, evaluation, release, monitoring, lineage.
"""
