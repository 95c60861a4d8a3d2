"""Each format gives headings and tables as Markdown, a title, and a refusal where text would be lost."""

import hashlib

import pytest

from llmops_pipelines.lifecycle.corpus.children.pool import Limits, Refused
from llmops_pipelines.lifecycle.corpus.formats import office, parsers, plain, tables, web
from llmops_pipelines.lifecycle.corpus.formats import pdf as pdfs
from llmops_pipelines.lifecycle.corpus.formats.decoding import declared_encoding, decode
from llmops_pipelines.lifecycle.corpus.formats.pieces import Room

from .small_files import pdf, prose, word_file


def test_markdown_loses_front_matter_and_comments_and_keeps_structure():
    piece = plain.markdown(
        "---\ntitle: 'The mole'\ntags: [a]\n---\nHeading\n=====\n<!-- secret\nnote -->\n- a\n  - b\n\n## Rules ##\n"
    )
    assert piece.title == "The mole"
    assert [line for line in piece.text.split("\n") if line] == ["# Heading", "- a", "  - b", "## Rules"]


def test_a_line_of_dashes_is_front_matter_only_with_keys():
    assert "first" in plain.markdown("---\nfirst words\n---\nlast words").text


def test_headings_inside_code_are_not_headings():
    piece = plain.markdown("```\n# a comment\n```\n# Real\n")
    assert piece.title == "Real" and "# a comment" in piece.text


def test_html_keeps_the_article_and_drops_menus():
    menu = "<nav><ul><li><a href='/'>Home</a></li><li><a href='/t'>Tickets</a></li></ul></nav><footer>Imprint</footer>"
    table = "<table><tr><th>Berth</th><th>Length</th></tr><tr><td>1</td><td>85 m</td></tr></table>"
    page = f"<html><body>{menu}<main><article><h1>Garrow</h1><p>{prose('mole')}</p>{table}</article></main></body></html>"
    piece = web.html(page)
    assert piece.title == "Garrow" and piece.text.startswith("# Garrow")
    assert "| Berth | Length |" in piece.text and "| 1 | 85 m |" in piece.text
    assert "Imprint" not in piece.text and "Tickets" not in piece.text


def test_deeply_nested_html_keeps_its_text():
    page = "<html><body>" + "<div>" * 300 + f"<p>{prose('mole', 12)}</p>" + "</div>" * 300 + "</body></html>"
    assert "mole number 11" in web.html(page).text


def test_html_that_would_lose_its_text_is_refused(monkeypatch):
    monkeypatch.setattr(web, "_main_text", lambda page: "")
    with pytest.raises(Refused, match="kept 0 of"):
        web.html(f"<html><body><p>{prose('mole', 12)}</p></body></html>")


def test_word_file_keeps_headings_lists_and_tables():
    piece = office.docx(word_file())
    assert piece.title == "Hull painting"
    assert piece.text.split("\n\n") == [
        "# Hull painting",
        "Steel is washed first.",
        "- No rain\n- No frost",
        "| Coat | Microns |\n|---|---|\n| Primer | 150 |",
    ]


def test_a_word_file_that_unpacks_to_too_much_is_refused(monkeypatch):
    monkeypatch.setattr(office, "UNPACKED_BYTES", 1000)
    with pytest.raises(Refused, match="unpacks to more than 1000 bytes"):
        office.docx(word_file())


def test_pdf_headings_come_from_font_size_and_lines_are_joined():
    body = [("The slip is the only place where a ferry leaves the water, and it", 11), ("was opened in 1929.", 11)]
    piece = pdfs.pdf(pdf([("The slipway", 18), *body, ("Signals", 14), *body]))
    assert piece.title == "The slipway"
    assert piece.text.startswith(
        "# The slipway\n\nThe slip is the only place where a ferry leaves the water, and it was opened"
    )
    assert "\n## Signals\n" in piece.text


def test_pdf_without_text_is_told_apart_from_an_empty_file():
    piece = pdfs.pdf(pdf([], pages=3))
    assert (piece.reason, piece.detail) == ("no_text", "0 characters from 3 pages")


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Le bateau part à neuf heures et revient le soir après la marée. " * 3, "cp1252"),
        ("Prom odpływa o świcie, a wraca późnym wieczorem; żółte światło.\n" * 3, "cp1250"),
        ("The café “Zum Anker” costs £41 a year.", "cp1252"),
        ("The harbour opens at nine.", "utf-16"),
        ("The harbour opens at nine.", "utf-16-le"),
    ],
)
def test_other_encodings_are_detected_and_counted(text, encoding):
    assert decode(text.encode(encoding)) == (text, True)


def test_utf8_is_not_counted_and_bytes_that_are_no_text_are_refused():
    assert decode("née".encode()) == ("née", False)
    assert decode(b"\xef\xbb\xbfn") == ("n", False)
    with pytest.raises(Refused, match="no text encoding"):
        decode(bytes(range(256)) * 20)


@pytest.mark.parametrize("charset", ["utf-7", "punycode", "unicode_escape", "nonsense"])
def test_an_encoding_that_no_page_is_written_in_is_not_believed(charset):
    assert declared_encoding(f'<meta charset="{charset}">'.encode()) is None
    assert declared_encoding(b'<meta charset="ISO-8859-2">') == "iso8859-2"


def test_kept_bytes_are_those_of_their_name(tmp_path):
    name = hashlib.sha256(b"text").hexdigest()
    (tmp_path / "blob").write_bytes(b"text")
    assert parsers.kept_bytes(str(tmp_path / "blob"), name) == b"text"
    assert parsers.kept_bytes(str(tmp_path / "nowhere"), name) is None
    (tmp_path / "blob").write_bytes(b"texT")
    assert parsers.kept_bytes(str(tmp_path / "blob"), name) is None


def test_plain_text_headings_are_read_from_the_layout():
    piece = plain.text("THE BLUE CARD\nQuestions\n\nWho can have one?\n\nEveryone who lives on one of the islands can.\n")
    assert piece.title == "THE BLUE CARD"
    assert piece.text.split("\n\n")[:3] == ["# THE BLUE CARD", "Questions", "## Who can have one?"]
    assert plain.text("A sentence that ends.\n\nAnother one, longer than that.").title == ""


COLUMNS = {"id": "id", "text": "body", "title": None}


def test_rows_become_documents_and_bad_rows_are_named():
    lines = [
        '{"id": 1, "body": "one"}',
        "not json",
        '{"body": "no id"}',
        '{"id": 1, "body": "one"}',
        '{"id": 1, "body": "two"}',
    ]
    pieces = list(tables.json_lines("\n".join(lines), COLUMNS, Room()))
    assert [(piece.row, piece.reason) for piece in pieces] == [
        ("1", ""),
        ("line 2", "bad_row"),
        ("line 3", "row_without_id"),
        ("1 (line 4)", "repeated_row"),
        ("1 (line 5)", "conflicting_row"),
    ]


def test_a_table_without_the_named_column_is_refused():
    with pytest.raises(Refused, match="no column 'body'"):
        list(tables.csv_file("id,text\n1,a\n", COLUMNS, Room()))


def test_csv_without_columns_is_one_markdown_table_whatever_its_delimiter():
    (piece,) = tables.csv_file('zone;fare\nA;"48 | 2\nkr"\n', None, Room())
    assert piece.text == "| zone | fare |\n|---|---|\n| A | 48 \\| 2 kr |"


def test_numbers_and_nesting_without_end_are_bad_rows():
    content = (
        '{"id": "a", "body": ' + "[" * 100_000 + "\n" + '{"id": ' + "9" * 100_000 + ', "body": ""}\n{"id": "b", "body": "ok"}'
    )
    assert [piece.reason for piece in tables.json_lines(content, COLUMNS, Room())] == ["bad_row", "bad_row", ""]


def test_pages_of_a_pdf_are_kept_apart_by_form_feeds():
    lines = [("The slip is the only place where a ferry leaves the water", 11), ("every year.", 11)]
    text = pdfs.pdf(pdf(lines, pages=2)).text
    before, mark, after = text.partition("\n\f\n")
    assert mark and before == after and before.endswith("every year.")


def test_a_paragraph_goes_on_over_a_page_break_and_the_mark_comes_after_it():
    full = pdfs.Line("A line of text that reaches the right margin of its page,", 11.0, page=0)
    rest, new = pdfs.Line("as this one ends.", 11.0, page=2), pdfs.Line("A new one.", 11.0, page=2)
    text, _ = pdfs._flow([full, rest, new])
    assert text == f"{full.text} {rest.text}\n\f\n\f\n{new.text}"


def test_form_feeds_that_are_no_pages_become_line_ends():
    (piece,) = parsers.parse_bytes(b"one\ftwo", "text", None, Room()).pieces
    assert piece.text == "one\ntwo"


def test_underlined_lines_of_plain_text_are_headings_in_the_order_of_their_first_use():
    piece = plain.text("=====\nMoles\n=====\n\nBig\n---\n\nText.\n\na | b\n")
    assert piece.title == "Moles"
    assert [line for line in piece.text.split("\n") if line] == ["# Moles", "## Big", "Text.", "a | b"]


def test_one_bad_byte_does_not_change_the_encoding_of_a_utf8_text():
    data = ("né à la mer, déjà l'été " * 20).encode() + b"\xff end"
    content, detected = decode(data)
    assert detected and content.startswith("né à la mer") and content.endswith("\ufffd end")


@pytest.mark.parametrize(
    ("data", "kind"), [(b"%PDF-1.4", "text"), (b"hello", "pdf"), (word_file(), "pptx"), (b"GIF89a", "markdown")]
)
def test_a_file_that_is_something_else_than_its_name_says_is_refused(data, kind):
    with pytest.raises(Refused, match=f"named as {kind}, and is"):
        parsers.parse_bytes(data, kind, None, Room())


def test_a_key_that_stands_twice_is_no_row_and_not_a_number_is_no_value():
    content = '{"id": "a", "id": "b", "body": "x"}\n{"id": "c", "body": "y", "n": NaN}'
    assert [(piece.row, piece.reason) for piece in tables.json_lines(content, COLUMNS, Room())] == [
        ("line 1", "bad_row"),
        ("c", ""),
    ]


def test_columns_of_one_name_keep_their_values():
    assert tables.header_names(["a", "", "a", "a 3", "a"]) == ["a", "column 2", "a 3", "a 3 4", "a 5"]


def test_every_format_has_a_reader_a_code_version_and_installed_libraries():
    kinds = set(parsers.FORMATS.values())
    assert kinds == set(parsers.CODE) == set(parsers.READERS) | set(parsers.NESTING)
    for kind in kinds:
        assert parsers.parser_identity(kind, None, Limits())["kind"] == kind
