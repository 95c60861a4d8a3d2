"""Tables, versions and fingerprints. The only code that writes files durably; every stage publishes through it."""

from .digests import digest, fingerprint
from .stores import Store
from .versions import Draft, Lake, Version

__all__ = ["Draft", "Lake", "Store", "Version", "digest", "fingerprint"]
