"""What answers users: the gate that decides, the bundle that moves as one thing, and its append-only history."""

from .candidate import Candidate
from .cleanup import clean, unneeded
from .gate import Finding, Measured, Verdict, decide
from .history import Conflict, History, Release
from .moves import Impossible, Moves
from .promotion import CODE as _PROMOTE
from .promotion import Plan, advance, carry_out, promote
from .registry import Registry, RegistryUnavailable

CODES = {"release": _PROMOTE}

__all__ = [
    "CODES",
    "Candidate",
    "Conflict",
    "Finding",
    "History",
    "Impossible",
    "Measured",
    "Moves",
    "Plan",
    "Registry",
    "RegistryUnavailable",
    "Release",
    "Verdict",
    "advance",
    "carry_out",
    "clean",
    "decide",
    "promote",
    "unneeded",
]
