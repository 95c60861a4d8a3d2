"""The first bytes of a file say what it is: a file that is something else than its name says is refused, not misread."""

from ..children.pool import Refused

ARCHIVES = {
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",
    b"\x1f\x8b\x08": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
}
OTHERS = {
    b"%PDF-": "pdf",
    b"PAR1": "parquet",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "old or encrypted Office",
    b"7z\xbc\xaf\x27\x1c": "7-Zip",
    b"Rar!\x1a\x07": "RAR",
    b"\x89PNG\r\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"GIF8": "GIF",
    b"\x7fELF": "ELF",
    b"SQLite format 3\x00": "SQLite",
    b"{\\rtf": "RTF",
}
TAR_MAGIC = slice(257, 262)
PDF_HEADER_WITHIN = 1024  # readers accept bytes before it
OFFICE = {"docx": "word/", "pptx": "ppt/", "xlsx": "xl/"}
SPREADSHEETS = ("zip", "old or encrypted Office")


def signature(data: bytes) -> str:
    """What the first bytes are known for; empty when for nothing, as with any text."""
    if data[:3] == b"BZh" and data[4:10] != b"1AY&SY":
        return ""
    if data[TAR_MAGIC] == b"ustar":
        return "tar"
    return next((name for mark, name in (ARCHIVES | OTHERS).items() if data.startswith(mark)), "")


def check(data: bytes, kind: str) -> None:
    """Raises `Refused` when the bytes cannot be what the name of the file says."""
    found = signature(data)
    if kind == "archive":
        fits = found == "tar" or found in ARCHIVES.values()
    elif kind == "xlsx":
        fits = found in SPREADSHEETS
    elif kind in OFFICE:
        fits = found == "zip"
    elif kind == "pdf":
        fits = b"%PDF-" in data[:PDF_HEADER_WITHIN]
    elif kind == "parquet":
        fits = found == "parquet"
    else:
        fits = not found
    if not fits:
        raise Refused(f"named as {kind}, and is {'a ' + found + ' file' if found else 'no such file'}")
