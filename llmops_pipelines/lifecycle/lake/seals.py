"""Seals: a record carries the sha256 of all the rest of it, and what is made from it repeats that. An edit breaks the chain."""

import json
from collections.abc import Mapping
from typing import Any

from . import files
from .digests import digest

SEAL = "seal"


def seal_of(record: Mapping[str, Any]) -> str:
    """What the seal of this record has to be: sha256 of the canonical JSON of everything else in it, 64 hex digits."""
    return digest({name: value for name, value in record.items() if name != SEAL})


def sealed(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record as every reader of its JSON will see it, with its seal."""
    plain = json.loads(files.to_json(record))
    return plain | {SEAL: seal_of(plain)}


def is_intact(record: Mapping[str, Any]) -> bool:
    """Whether the seal fits; records of earlier versions have none, and nothing can be said against them."""
    return SEAL not in record or record[SEAL] == seal_of(record)
