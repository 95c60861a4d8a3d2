"""From folders of files to clean documents with a ledger: listing, parsing, cleaning, personal data, duplicates.

Importing this package is cheap; parsers and models are imported where work is left to do, most of it in child processes.
"""

from .discovery import discover
from .documents import read, texts
from .ledger import ledger_balances
from .pool import Limits
from .sources import CorpusError

__all__ = ["CorpusError", "Limits", "discover", "ledger_balances", "read", "texts"]
