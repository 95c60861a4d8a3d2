"""Two bundles side by side: what differs between them, and what became of the answers.

Which part is to blame for it is another question: `lineage/blame`.
"""

from .comparison import Difference, compare
from .page import page_of
from .sides import Side

__all__ = ["Difference", "Side", "compare", "page_of"]
