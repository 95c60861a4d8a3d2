"""What answers users: the gate that decides, the bundle that is promoted as one thing, and its append-only history."""

from .gate import Finding, Verdict, decide
from .history import Conflict, History, Release
from .promotion import promote

__all__ = ["Conflict", "Finding", "History", "Release", "Verdict", "decide", "promote"]
