"""Small files of foreign formats that tests write: slides, spreadsheets, mails, archives, and a PDF from raw objects."""

import io
import tarfile
import zipfile
from email.message import EmailMessage

import xlsxwriter
from pptx import Presentation

ROWS = [["id", "body"], ["a", "one way"], ["b", "return"]]


def presentation() -> bytes:
    deck = Presentation()
    for title, text in (("Hull painting", "Steel is washed first."), ("Weather", "No rain\nNo frost")):
        slide = deck.slides.add_slide(deck.slide_layouts[1])
        slide.shapes.title.text, slide.placeholders[1].text = title, text
    table = slide.shapes.add_table(2, 2, 0, 5_000_000, 1_000_000, 1_000_000).table
    for place, text in enumerate(["Coat", "Microns", "Primer", "150"]):
        table.cell(place // 2, place % 2).text = text
    slide.notes_slide.notes_text_frame.text = "Ask about gloves."
    return _saved(deck)


def workbook(*sheets: tuple[str, list[list]]) -> bytes:
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out)
    for name, rows in sheets:
        sheet = book.add_worksheet(name)
        for number, row in enumerate(rows):
            sheet.write_row(number, 0, row)
    book.close()
    return out.getvalue()


def mail(subject: str = "Berth 4", **attachments: bytes) -> bytes:
    """`attachments`: bytes by name, `__` for the dot of a suffix."""
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = subject, "Ada <ada@tolm.example>", "harbour@tolm.example"
    message.set_content("The berth is free.\n> Is it free?\n")
    message.add_alternative("<p>The berth is free.</p>", subtype="html")
    for name, data in attachments.items():
        file = name.replace("__", ".")
        message.add_attachment(data, maintype="application", subtype="octet-stream", filename=file)
    return message.as_bytes()


def zipped(files: dict[str, bytes], level: int | None = None) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=level) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def tarred(*entries: tuple[str, bytes, bytes], mode: str = "w") -> bytes:
    """`entries`: name, type and bytes (for a link its target)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:
        for name, kind, data in entries:
            entry = tarfile.TarInfo(name)
            entry.type = kind
            if kind == tarfile.REGTYPE:
                entry.size = len(data)
            else:
                entry.linkname = data.decode()
            archive.addfile(entry, io.BytesIO(data))
    return out.getvalue()


def raw_pdf(*objects: bytes) -> bytes:
    """A PDF of these objects, the first of which is its catalogue."""
    out, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    size = len(objects) + 1
    end = b"xref\n0 %d\n0000000000 65535 f \n%btrailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n"
    return out + end % (size, table, size, len(out))


def _saved(document) -> bytes:
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()
