"""Slides, spreadsheets, tables, records, mail and code: structure stays, rows become documents when columns are named."""

import io
import json
import zipfile
from email.message import EmailMessage

import docx
import pyarrow as pa
import pytest
import xlsxwriter
from docx.oxml import parse_xml
from pyarrow import parquet

from llmops_pipelines.lifecycle.corpus.children.pool import Refused
from llmops_pipelines.lifecycle.corpus.formats.parsers import parse_bytes
from llmops_pipelines.lifecycle.corpus.formats.pieces import Piece, Room

from .foreign_files import ROWS, mail, presentation, workbook, zipped

COLUMNS = {"id": "id", "text": "body", "title": None}


def read(data: bytes, kind: str, columns: dict | None = None) -> list[Piece]:
    return list(parse_bytes(data, kind, columns, Room()).pieces)


def test_slides_are_pages_with_headings_lists_tables_and_notes():
    (piece,) = read(presentation(), "pptx")
    first, second = piece.text.split("\n\f\n")
    assert piece.title == "Hull painting" and first.strip() == "# Hull painting\n\nSteel is washed first."
    assert second.strip().split("\n\n") == [
        "## Weather",
        "- No rain\n- No frost",
        "| Coat | Microns |\n|---|---|\n| Primer | 150 |",
        "Notes: Ask about gloves.",
    ]


def test_each_sheet_is_a_heading_and_a_table():
    (piece,) = read(workbook(("Fares", [["Zone", "Fare", "Pass"], ["A", 48, 1.5], [], ["B", 60, True]]), ("Empty", [])), "xlsx")
    assert piece.text == "# Fares\n\n| Zone | Fare | Pass |\n|---|---|---|\n| A | 48 | 1.5 |\n| B | 60 | true |"


def test_rows_of_a_spreadsheet_are_documents_and_notes_beside_the_table_are_not():
    data = workbook(("About", [["Made by the office"], ["in May"]]), ("Texts", ROWS))
    assert [(piece.row, piece.text) for piece in read(data, "xlsx", COLUMNS)] == [("a", "one way"), ("b", "return")]
    with pytest.raises(Refused, match="no column 'body'"):
        read(workbook(("Texts", [["id", "text"], ["a", "x"]])), "xlsx", COLUMNS)


def charted(change) -> bytes:
    """A workbook of two sheets and a chart, its parts changed on the way."""
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out)
    for name, rows in (("Good", ROWS), ("Other", [["id", "body"], ["c", "later"]])):
        sheet = book.add_worksheet(name)
        for number, row in enumerate(rows):
            sheet.write_row(number, 0, row)
    chart = book.add_chart({"type": "line"})
    chart.add_series({"values": "=Good!$A$1:$A$2"})
    book.add_chartsheet("Chart").set_chart(chart)
    book.close()
    with zipfile.ZipFile(io.BytesIO(out.getvalue())) as archive:
        return zipped({entry: change(entry, archive.read(entry)) for entry in archive.namelist()})


def test_a_damaged_sheet_is_quarantined_and_a_chart_is_nothing():
    whole = charted(lambda name, data: data)
    broken = charted(lambda name, data: data[: len(data) // 2] if name.endswith("worksheets/sheet2.xml") else data)
    assert [(piece.row, piece.reason) for piece in read(whole, "xlsx")] == [("", "")]
    assert [(piece.row, piece.reason) for piece in read(broken, "xlsx")] == [("", ""), ("sheet Other", "member_failed")]
    assert [(piece.row, piece.reason) for piece in read(whole, "xlsx", COLUMNS)] == [("a", ""), ("b", ""), ("c", "")]
    rows = [("a", ""), ("b", ""), ("sheet Other", "member_failed")]
    assert [(piece.row, piece.reason) for piece in read(broken, "xlsx", COLUMNS)] == rows


def test_parquet_gives_rows_or_one_table():
    out = io.BytesIO()
    parquet.write_table(pa.table({"id": [1, 2], "body": ["one", None], "tags": [["x"], []]}), out)
    assert [(piece.row, piece.text) for piece in read(out.getvalue(), "parquet", COLUMNS)] == [("1", "one"), ("2", "")]
    (piece,) = read(out.getvalue(), "parquet")
    assert piece.text == '| id | body | tags |\n|---|---|---|\n| 1 | one | ["x"] |\n| 2 |  | [] |'


def test_a_json_object_is_readable_text():
    value = {
        "title": "Ferry",
        "zone": "A",
        "notes": "word " * 50,
        "stops": [{"n": 1, "at": "x"}, {"n": 2, "at": "y"}],
        "tags": ["q"],
    }
    (piece,) = read(json.dumps(value).encode(), "json")
    assert piece.title == "Ferry"
    blocks = [block.strip() for block in piece.text.split("\n\n")]
    assert blocks[:4] == ["# Ferry", "- zone: A", "## notes", ("word " * 50).strip()]
    assert blocks[4:] == ["## stops", "| n | at |\n|---|---|\n| 1 | x |\n| 2 | y |", "## tags", "- q"]


@pytest.mark.parametrize("value", [[{"id": 1, "body": "x"}, 7], {"count": 1, "data": [{"id": 1, "body": "x"}, 7]}])
def test_objects_of_a_json_array_are_documents(value):
    pieces = read(json.dumps(value).encode(), "json", COLUMNS)
    assert [(piece.row, piece.text, piece.reason) for piece in pieces] == [("1", "x", ""), ("item 2", "", "bad_row")]


def test_a_notebook_keeps_words_code_and_output():
    cells = [
        {"cell_type": "markdown", "source": ["# Tides\n"]},
        {"cell_type": "code", "source": "1+1", "outputs": [{"text": "2"}]},
    ]
    (piece,) = read(json.dumps({"cells": cells}).encode(), "notebook")
    assert piece.title == "Tides" and piece.text.split() == ["#", "Tides", "```", "1+1", "```", "```", "2", "```"]


def test_a_mail_is_its_subject_and_plain_body_and_its_attachments_are_documents():
    message, attachment, image = read(mail(notes__md=b"# Notes\n\nText.", logo__png=b"\x89PNG\r\n"), "email")
    assert message.title == "Berth 4" and message.kind == "email"
    assert message.text.startswith("# Berth 4\n\nFrom: Ada <ada@tolm.example>\nTo: harbour@tolm.example\n\nThe berth")
    assert "> Is it free?" in message.text and "<p>" not in message.text
    assert (attachment.row, attachment.title, attachment.kind) == ("notes.md", "Notes", "markdown")
    assert (image.row, image.reason) == ("logo.png", "unsupported_format")


def letter(*parts: tuple[str, str | None, bytes]) -> bytes:
    """A mail with attachments: type, name or None, bytes."""
    message = EmailMessage()
    message.set_content("See below.")
    for kind, name, data in parts:
        message.add_attachment(data, *kind.split("/"), **({"filename": name} if name else {}))
    return message.as_bytes()


def test_attachments_of_one_name_are_all_read_but_for_equal_ones():
    data = letter(*[("application/octet-stream", "a.md", text) for text in (b"# One", b"# Two", b"# Two")])
    found = read(data, "email")[1:]
    assert [(piece.row, piece.title, piece.reason) for piece in found] == [
        ("a.md", "One", ""),
        ("a.md (entry 2)", "Two", ""),
        ("a.md (entry 3)", "", "repeated_member"),
    ]


def test_parts_without_a_name_and_parts_beyond_the_limit_are_in_the_ledger(monkeypatch):
    data = letter(("image/png", None, b"\x89PNG"), ("x-odd/thing", None, b"1"), *[("text/plain", None, b"words")] * 3)
    monkeypatch.setattr("llmops_pipelines.lifecycle.corpus.formats.mail.PARTS", 3)
    found = read(data, "email")[1:]
    assert [(piece.row, piece.reason) for piece in found] == [
        ("part 2.png", "unsupported_format"),
        ("part 3.bin", "unsupported_format"),
        ("part 4.txt", ""),
        ("part 5 and after", "too_many_parts"),
    ]
    assert found[-1].detail == "2 more parts; 3 of a message are read"


def test_a_mailbox_is_one_document_per_message():
    box = b"".join(b"From a@b Mon\n" + mail(name) + b"\n" for name in ("One", "Two"))
    assert [(piece.row, piece.title) for piece in read(box, "mbox")] == [("1", "One"), ("2", "Two")]


def test_code_is_kept_to_the_last_space():
    assert read(b"def f():\n\treturn  1 \n", "code")[0].text == "def f():\n\treturn  1 \n"


def test_xml_gives_lines_of_text_in_its_own_encoding():
    data = "<?xml version='1.0' encoding='latin-1'?><r><title>Été</title><p>one <b>two</b> three</p><x/></r>".encode("latin-1")
    (piece,) = read(data, "xml")
    assert (piece.title, piece.text) == ("Été", "Été\none two three")


def test_inserted_text_of_a_word_file_counts_and_deleted_text_does_not():
    document = docx.Document()
    space = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
    change = "<w:ins><w:r><w:t>new</w:t></w:r></w:ins><w:del><w:r><w:delText>old</w:delText></w:r></w:del>"
    control = "<w:sdt><w:sdtContent><w:p><w:r><w:t>chosen</w:t></w:r></w:p></w:sdtContent></w:sdt>"
    for xml in (f"<w:p {space}>{change}</w:p>", control.replace("<w:sdt>", f"<w:sdt {space}>")):
        document.element.body.insert(0, parse_xml(xml))
    out = io.BytesIO()
    document.save(out)
    assert read(out.getvalue(), "docx")[0].text.split("\n\n")[:2] == ["chosen", "new"]
