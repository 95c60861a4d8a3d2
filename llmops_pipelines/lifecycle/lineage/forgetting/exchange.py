"""Directories that are replaced as a whole: who opens one sees the old or the new, never a mixture.

On Linux the two names are exchanged in one step. Elsewhere the old one is moved away first, and for a moment there is none.
"""

import ctypes
import errno
import os
import shutil
from pathlib import Path

from llmops_pipelines.lifecycle.lake import files

AT_FDCWD, RENAME_EXCHANGE = -100, 2
ENDING = ".replaced"


def exchange(new: Path, old: Path) -> None:
    """Make the finished directory `new` visible as `old`, and remove what was there. Repeating it after a crash is harmless."""
    files.sync_tree(new)
    if not _exchanged(new, old):
        away = old.with_name(f"{old.name}{ENDING}")
        shutil.rmtree(away, ignore_errors=True)
        old.rename(away)
        new.rename(old)
        away.rename(new)
    files.sync_directory(old.parent)
    files.sync_directory(new.parent)
    shutil.rmtree(new)


def _exchanged(new: Path, old: Path) -> bool:
    """Exchange two names; False where the system or the file system cannot."""
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    if rename(AT_FDCWD, os.fsencode(new), AT_FDCWD, os.fsencode(old), RENAME_EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EPERM):
        return False
    raise OSError(code, os.strerror(code), str(old))
