"""Profiles of the corpus, and drift: what changed between the last release's corpus and now."""

from .drift import Drifted, drift_report
from .profile import corpus_profile

__all__ = ["Drifted", "corpus_profile", "drift_report"]
