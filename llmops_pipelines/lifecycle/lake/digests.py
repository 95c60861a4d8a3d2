"""Identities: canonical JSON, digests of values and files, and the fingerprint that says whether work is already done.

No time, host, path or run id ever enters a digest.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def canonical_json(value: Any) -> str:
    """One spelling per value: sorted keys, no spaces, NaN refused. Pydantic models are dumped first."""

    def plain(item: Any) -> Any:
        if hasattr(item, "model_dump"):
            return item.model_dump(mode="json")
        if isinstance(item, Path):
            return item.as_posix()
        raise TypeError(f"{type(item).__name__} has no canonical form")

    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False, default=plain)


def digest(value: Any) -> str:
    """sha256 of the canonical form, 64 hex digits."""
    return hashlib.sha256(canonical_json(value).encode("utf-8")).hexdigest()


def text_digest(text: str) -> str:
    """sha256 of the UTF-8 bytes of a text: the content hash that work is keyed by."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


BLOCK = 2**20
ZEROS = bytes(BLOCK)


def file_digest(path: Path) -> str:
    """sha256 of the bytes; but a MiB of zeros is counted, not hashed: engines map files that are mostly holes."""
    made, empty = hashlib.sha256(), []
    with path.open("rb", buffering=0) as stream:
        size, written = os.fstat(stream.fileno()).st_size, -1
        for number, at in enumerate(range(0, size, BLOCK)):
            if written < at:
                written = _written_from(stream.fileno(), at, size)
            whole = at + BLOCK <= size
            block = ZEROS if whole and written >= at + BLOCK else os.pread(stream.fileno(), BLOCK, at)
            if whole and block == ZEROS:
                empty.append(number)
            else:
                made.update(block)
    if empty:
        made.update(f"blocks of zeros: {empty}".encode())
    return made.hexdigest()


def _written_from(file: int, at: int, size: int) -> int:
    """The first place from `at` on that is no hole; holes are zeros that need not be read."""
    try:
        return os.lseek(file, at, os.SEEK_DATA)
    except OSError:  # ENXIO: nothing but a hole from here on
        return size


def fingerprint(code: str, config: Any, parents: Mapping[str, str]) -> str:
    """Identity of a step before it runs: code version, the config that matters, digests of what it reads."""
    return digest({"code": code, "config": config, "parents": dict(parents)})
