"""What answers users: the gate that decides, the bundle that is promoted as one thing, and its append-only history."""

from .cleanup import clean, unneeded
from .gate import Finding, Verdict, decide
from .history import Conflict, History, Release
from .promotion import CODE as _PROMOTE
from .promotion import Candidate, promote
from .registry import Registry

CODES = {"release": _PROMOTE}

__all__ = [
    "CODES",
    "Candidate",
    "Conflict",
    "Finding",
    "History",
    "Registry",
    "Release",
    "Verdict",
    "clean",
    "decide",
    "promote",
    "unneeded",
]
