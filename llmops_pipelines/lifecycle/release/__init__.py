"""What answers users: the gate that decides, the bundle that is promoted as one thing, and its append-only history."""

from . import promotion
from .gate import Finding, Verdict, decide
from .history import Conflict, History, Release
from .promotion import promote
from .registry import Registry

__all__ = ["Conflict", "Finding", "History", "Registry", "Release", "Verdict", "decide", "promote", "promotion"]
