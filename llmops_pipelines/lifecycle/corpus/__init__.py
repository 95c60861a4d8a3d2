"""From folders of files to clean documents with a ledger: listing, parsing, cleaning, personal data, duplicates.

Importing this package is cheap; parsers and models are imported where work is left to do, most of it in child processes.
"""

from .discovery import CODE as _DISCOVER
from .discovery import Glance, discover, glance
from .documents import CODE as _READ
from .documents import read, texts
from .ledger import ledger_balances
from .pool import Limits
from .sources import CorpusError

CODES = {"raw_documents": _DISCOVER, "documents": _READ}

__all__ = ["CODES", "CorpusError", "Glance", "Limits", "discover", "glance", "ledger_balances", "read", "texts"]
