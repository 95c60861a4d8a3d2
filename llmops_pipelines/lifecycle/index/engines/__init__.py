"""Where vectors live: one contract, an engine in this process (Qdrant Edge) and a Qdrant server. Both pass one test suite."""

from .retirement import drop, retire

__all__ = ["drop", "retire"]
