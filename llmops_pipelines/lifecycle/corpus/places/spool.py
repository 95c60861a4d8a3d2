"""A file without a name for bytes that are too many for memory; the disk gets them back when nobody reads them any more."""

import os
import tempfile
import weakref
from pathlib import Path
from threading import Lock

from ..sources import UnreadableFile


class Spool:
    """Append from any thread, read any slice from any thread."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".spool-", dir=folder)
        Path(name).unlink()  # from here on it lives as long as the handle
        self._handle, self._end, self._lock = handle, 0, Lock()
        self._close = weakref.finalize(self, os.close, handle)

    def append(self, data: bytes | memoryview) -> tuple[int, int]:
        """Where the bytes lie: start and length."""
        with self._lock:
            start = self._end
            view = memoryview(data).cast("B")
            while len(view):
                written = os.pwrite(self._handle, view, self._end)
                view, self._end = view[written:], self._end + written
            return start, self._end - start

    def read(self, start: int, length: int) -> bytes:
        """Raises `UnreadableFile`."""
        parts = []
        while length:
            try:
                part = os.pread(self._handle, length, start)
            except OSError as error:
                raise UnreadableFile(f"what was put aside cannot be read: {error.strerror}") from error
            if not part:
                raise UnreadableFile(f"what was put aside ends {length} bytes early")
            parts.append(part)
            start, length = start + len(part), length - len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)
