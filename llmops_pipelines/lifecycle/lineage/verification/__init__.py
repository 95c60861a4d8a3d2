"""Whether a release is what was decided about: digests recomputed along its whole graph, and the first that differs named."""

from .checks import Check, Verification
from .verification_page import page
from .verifying import verify, verify_all

__all__ = ["Check", "Verification", "page", "verify", "verify_all"]
