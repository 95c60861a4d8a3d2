"""Which part made it worse: parts are swapped between two products, and the change is shared out among them."""

from .answer import Blame, Part
from .blaming import blame
from .bundles import BlameError
from .hybrids import Doors
from .showing import page

__all__ = ["Blame", "BlameError", "Doors", "Part", "blame", "page"]
