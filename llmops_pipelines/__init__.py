"""The whole life of an LLM product as one Dagster lineage graph."""
