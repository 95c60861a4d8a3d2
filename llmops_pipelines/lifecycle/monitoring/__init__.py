"""Profiles of the corpus, and drift: what changed between the last release's corpus and now."""

from .drift import CODE as _DRIFT
from .drift import Drifted, drift_report
from .profile import CODE as _PROFILE
from .profile import corpus_profile

CODES = {"corpus_profile": _PROFILE, "drift_report": _DRIFT}

__all__ = ["CODES", "Drifted", "corpus_profile", "drift_report"]
