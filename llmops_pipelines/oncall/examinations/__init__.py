"""What the doctor looks at, one file per noun. Each yields findings, and none changes anything.

Their order and page are `oncall/doctor.py`.
"""

from .case import Case
from .findings import Finding, Health

__all__ = ["Case", "Finding", "Health"]
