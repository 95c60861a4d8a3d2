"""Files in files: members of archives, attachments of mails, messages of a mailbox, each through its own parser.

All of them are parsed in one child process. A member that is refused, or that a parser fails on, is one quarantined piece; one
that crashes, hangs or outgrows the child takes the whole file with it, as a single outcome.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from ..children.child import ENVIRONMENT, bounded
from ..children.pool import Refused
from .archives import Member, members
from .pieces import DEPTH, Exhausted, Piece, Room
from .signatures import signature

if TYPE_CHECKING:
    from .parsers import Parsed

UNNAMED = {"pdf": ".pdf", "zip": ".zip", "gzip": ".gz", "bzip2": ".bz2", "xz": ".xz", "tar": ".tar", "parquet": ".parquet"}


def documents(data: bytes, kind: str, columns: dict[str, Any] | None, room: Room) -> tuple[tuple[Piece, ...], bool]:
    """Pieces of all files inside, and whether any text had to be decoded by detection. `row` of a piece is its path inside."""
    if kind == "archive":
        return _collected(members(data, room), columns, room)
    if kind == "email":
        return _message(data, room)
    from .mail import mailbox

    pieces: list[Piece] = []
    reencoded = False
    for number, each in enumerate(mailbox(data), 1):
        room.enter()
        found, detected = _message(each, room)
        reencoded |= detected
        pieces += [replace(piece, row=f"{number}/{piece.row}".rstrip("/")) for piece in found]
    return tuple(pieces), reencoded


def _message(data: bytes, room: Room) -> tuple[tuple[Piece, ...], bool]:
    from .mail import message

    piece, attachments = message(data)
    room.take(piece.text)
    pieces, reencoded = _collected(attachments, None, room, names_are_unique=False)
    return (piece, *pieces), reencoded


def _collected(
    found: Iterable[Member], columns: dict[str, Any] | None, room: Room, names_are_unique: bool = True
) -> tuple[tuple[Piece, ...], bool]:
    """Raises `Refused` when the limits of the whole file are reached."""
    pieces: list[Piece] = []
    contents: dict[str, set[bytes]] = {}
    reencoded = False
    for number, member in enumerate(found, 1):
        name = member.name.removeprefix("./")
        content = hashlib.sha256(member.data).digest()
        row = f"{name} (entry {number})" if name in contents else name
        reason, detail = member.reason, member.detail
        if not reason and content in contents.get(name, ()):
            reason, detail = "repeated_member", "the same stands before, under the same name"
        elif not reason and name in contents and names_are_unique:
            reason, detail = "conflicting_member", "the name stands before, with other bytes"
        contents.setdefault(name, set()).add(content)
        if reason:
            pieces.append(Piece(row=row, reason=reason, detail=detail))
            continue
        inside, detected = _member(replace(member, name=name), row, columns, room)
        pieces += inside
        reencoded |= detected
    return tuple(pieces), reencoded


def _member(member: Member, row: str, columns: dict[str, Any] | None, room: Room) -> tuple[list[Piece], bool]:
    from .parsers import FORMATS, NESTING, TABULAR

    suffix = PurePosixPath(member.name).suffix.lower() if member.name else UNNAMED.get(signature(member.data), ".txt")
    kind = FORMATS.get(suffix, "")
    if not kind or not member.data:
        return [Piece(row=row, reason="empty" if kind else "unsupported_format")], False
    if kind in NESTING and room.depth == 0:
        return [Piece(row=row, reason="nested_too_deep", detail=f"more than {DEPTH} levels of files in files")], False
    try:
        parsed = _parsed(member.data, kind, columns if kind in TABULAR else None, room)
    except Exhausted:
        raise
    except Refused as error:
        return [Piece(row=row, reason="member_failed", detail=str(error))], False
    except MemoryError:
        return [Piece(row=row, reason="member_failed", detail="stopped at the memory limit")], False
    except ImportError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in ENVIRONMENT:
            raise
        return [Piece(row=row, reason="member_failed", detail=bounded(error))], False
    return [_named(piece, row, kind) for piece in parsed.pieces], parsed.reencoded


def _parsed(data: bytes, kind: str, columns: dict[str, Any] | None, room: Room) -> "Parsed":
    from .parsers import NESTING, parse_bytes

    if kind not in NESTING:
        parsed = parse_bytes(data, kind, columns, room)
        for piece in parsed.pieces:
            room.take(piece.text)
        return parsed
    room.depth -= 1
    try:
        return parse_bytes(data, kind, columns, room)
    finally:
        room.depth += 1


def _named(piece: Piece, name: str, kind: str) -> Piece:
    row = f"{name}/{piece.row}" if piece.row and name else piece.row or name
    return replace(piece, row=row, kind=piece.kind or kind)
