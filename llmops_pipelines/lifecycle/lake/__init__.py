"""Tables, versions and fingerprints. The only code that writes files durably; every stage publishes through it."""

from .digests import digest, fingerprint
from .drafts import Draft
from .refusal import Refusal
from .retention import Removable, removable, remove
from .stores import Store
from .versions import DamagedVersion, Lake, Version

__all__ = [
    "DamagedVersion",
    "Draft",
    "Lake",
    "Refusal",
    "Removable",
    "Store",
    "Version",
    "digest",
    "fingerprint",
    "removable",
    "remove",
]
