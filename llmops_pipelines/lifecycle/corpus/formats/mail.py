"""E-mail: subject and body of a message, and its attachments as files of their own. Quoted replies stay."""

import re
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from mimetypes import MimeTypes

from .archives import Member
from .pieces import Piece

HEADERS = ("From", "To", "Date")
PARTS = 1_000


def message(data: bytes) -> tuple[Piece, list[Member]]:
    """The message as one document, and its attachments."""
    mail = message_from_bytes(data, policy=policy.default)
    subject = " ".join(str(mail.get("Subject", "")).split())
    lines = [f"{name}: {' '.join(str(mail[name]).split())}" for name in HEADERS if mail.get(name)]
    blocks = [f"# {subject}" if subject else "", "\n".join(lines), _body(mail)]
    return Piece(subject, "\n\n".join(filter(None, blocks)), kind="email"), list(_attachments(mail))


def _body(mail: EmailMessage) -> str:
    part = mail.get_body(("plain", "html"))
    if part is None:
        return ""
    if part.get_content_subtype() == "html":
        from .web import html

        content = html(_text(part)).text
        return re.sub(r"^# ", "## ", content, flags=re.MULTILINE)
    return re.sub(r"\r\n?", "\n", _text(part)).replace("\f", "\n")


def _text(part: EmailMessage) -> str:
    from .decoding import decode

    try:
        return part.get_content()
    except (LookupError, UnicodeError):  # a character set that nobody knows
        return decode(part.get_payload(decode=True) or b"")[0]


def _attachments(mail: EmailMessage) -> Iterator[Member]:
    """Whatever is no body. A part without a name gets one, so that the ledger has a line for it."""
    body = mail.get_body(("plain", "html"))
    alternatives = {id(each) for each in (mail.get_body(("plain",)), mail.get_body(("html",)), body) if each is not None}
    parts = [(number, part) for number, part in enumerate(_leaves(mail), 1) if id(part) not in alternatives]
    for number, part in parts[:PARTS]:
        if part.get_content_type() == "message/rfc822":
            yield Member(f"message {number}.eml", part.get_payload(0).as_bytes())
        elif name := part.get_filename():
            yield Member(name, part.get_payload(decode=True) or b"")
        elif part.get_content_maintype() == "text":
            suffix = "html" if part.get_content_subtype() == "html" else "txt"
            yield Member(f"part {number}.{suffix}", _text(part).encode("utf-8", "replace"))
        else:
            # only what Python itself knows: the machine's own list would give equal mails other names elsewhere
            suffix = MimeTypes().guess_extension(part.get_content_type()) or ".bin"
            yield Member(f"part {number}{suffix}", part.get_payload(decode=True) or b"")
    if more := parts[PARTS:]:
        detail = f"{len(more)} more parts; {PARTS} of a message are read"
        yield Member(f"part {more[0][0]} and after", reason="too_many_parts", detail=detail)


def _leaves(mail: EmailMessage) -> Iterator[EmailMessage]:
    stack = [mail]
    while stack:
        part = stack.pop()
        if part.get_content_type() == "message/rfc822" or not part.is_multipart():
            yield part
        else:
            stack.extend(reversed(part.get_payload()))


def mailbox(data: bytes) -> Iterator[bytes]:
    """Messages of an mbox file. A line that starts with 'From ' after an empty one begins a message."""
    starts = [found.start() for found in re.finditer(rb"(?:\A|(?<=\n\n)|(?<=\n\r\n))From [^\n]*\n", data)]
    for start, end in zip(starts, [*starts[1:], len(data)], strict=True):
        body = data[start:end].partition(b"\n")[2]
        yield re.sub(rb"^>(>*From )", rb"\1", body, flags=re.MULTILINE)
