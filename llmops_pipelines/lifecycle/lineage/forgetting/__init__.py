"""Forgetting documents: everywhere in a home, with a plan before, a scan after, and a receipt that cannot be edited unseen."""

from .erasing import Erased, OnHold, StillThere, erase, hide, restore
from .knowledge import Known, UnknownDocument, know
from .plan import Plan, plan
from .receipts import BrokenReceipts
from .scanning import Place, Scan, scan
from .tombstones import Asked, CannotRestore
from .windows import Needles
from .work import Busy, begun

__all__ = [
    "Asked",
    "BrokenReceipts",
    "Busy",
    "CannotRestore",
    "Erased",
    "Known",
    "Needles",
    "OnHold",
    "Place",
    "Plan",
    "Scan",
    "StillThere",
    "UnknownDocument",
    "begun",
    "erase",
    "hide",
    "know",
    "plan",
    "restore",
    "scan",
]
