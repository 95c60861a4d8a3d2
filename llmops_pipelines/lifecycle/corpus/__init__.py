"""From folders of files to clean documents with a ledger: listing, parsing, cleaning, personal data, duplicates.

Importing this package is cheap; parsers and models are imported where work is left to do, most of it in child processes.
"""

from .children.pool import Limits
from .discovery import CODE as _DISCOVER
from .discovery import Glance, discover, glance
from .documents import CODE as _GATHER
from .documents import gather, texts
from .ledger import ledger_balances
from .parsing import CODE as _PARSE
from .parsing import parse
from .retries import next_retry
from .sources import CorpusError

CODES = {"raw_documents": _DISCOVER, "parsed_documents": _PARSE, "documents": _GATHER}

__all__ = [
    "CODES",
    "CorpusError",
    "Glance",
    "Limits",
    "discover",
    "gather",
    "glance",
    "ledger_balances",
    "next_retry",
    "parse",
    "texts",
]
