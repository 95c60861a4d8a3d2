"""Which versions need no hashing: those whose files have the sizes and times that they had when their content was verified."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from . import files

if TYPE_CHECKING:
    from .versions import Version


def trust(version: "Version") -> None:
    """Verify the files, unless size, times and inode of each are those that it had when its content was verified before.

    Hashing an index of a million chunks takes seconds for every search; `llmops verify` does it nevertheless.
    """
    try:
        seen = json.loads(_file(version).read_text("utf-8"))
    except (OSError, ValueError):
        seen = None
    if seen != _of(version):
        version.verify()
        note(version)


def note(version: "Version") -> None:
    """Remember that the content was verified as it is now."""
    files.replace(_file(version), files.to_json(_of(version)), sync=False)


def forget(version: "Version") -> None:
    _file(version).unlink(missing_ok=True)


def _file(version: "Version") -> Path:
    return version.path.with_name(f"{version.path.name}.stamps")


def _of(version: "Version") -> dict[str, list[int]]:
    """Of engine files only the size: opening an index touches them, and leaves every byte as it is."""
    aside = set(version.manifest.get("aside", ()))
    found = {}
    for name in version.manifest["files"]:
        try:
            status = (version.path / name).stat()
        except OSError:
            continue
        times = [] if name in aside else [status.st_mtime_ns, status.st_ctime_ns, status.st_ino]
        found[name] = [status.st_size, *times]
    return found
