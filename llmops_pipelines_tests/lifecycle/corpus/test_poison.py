"""Poisonous files through the real pool: each one costs one outcome, in bounded time, and good files beside it stay good."""

import hashlib
import zlib
from pathlib import Path

import pytest
from pypdf import PdfWriter

from llmops_pipelines.lifecycle.corpus.children.pool import Limits, Outcome, Pool
from llmops_pipelines.lifecycle.corpus.formats.parsers import parse

from .formats.foreign_files import raw_pdf, zipped
from .formats.small_files import pdf

pytestmark = pytest.mark.slow
CATALOG = b"<< /Type /Catalog /Pages 2 0 R >>"
BOMB = zlib.compress(b"BT (x) Tj ET " * 8_000_000, 9)
ENTITIES = b'<!DOCTYPE l [<!ENTITY a "lol">' + b"".join(
    b'<!ENTITY %c "&%c;&%c;&%c;&%c;&%c;&%c;&%c;&%c;">' % ((98 + n,) + (97 + n,) * 8) for n in range(9)
)
OUTSIDE = b'<!DOCTYPE l [<!ENTITY x SYSTEM "file:///etc/passwd">]><l>&x;</l>'


def locked(password: str) -> bytes:
    import io

    writer = PdfWriter(io.BytesIO(pdf([("The slipway", 18), ("Text of the page.", 11)])))
    writer.encrypt(user_password=password, owner_password="owner", algorithm="RC4-128")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def office(part: str, xml: bytes) -> bytes:
    return zipped({"[Content_Types].xml": b"<Types/>", part: xml})


REFUSED = {
    "one line of 90 MB.txt": (b"word " * 18_000_000, "text", "more than 20000000 characters can be"),
    "no text.txt": (bytes(range(256)) * 20, "text", "no text encoding"),
    "deep.html": (b"<div>" * 20_000 + b"text " * 200, "html", "kept 0 of"),
    "deep.json": (b"[" * 100_000, "json", "nested too deeply"),
    "deeper.json": (b'{"a":' * 1_000_000, "json", "nested too deeply"),
    "number.json": (b'{"a":' + b"9" * 1_000_000 + b"}", "json", "4300 digits"),
    "twice.json": (b'{"a": 1, "a": 2}', "json", "stands twice"),
    "deep.xml": (b"<a>" * 100_000, "xml", "Excessive depth"),
    "bomb.svg": (ENTITIES + b"]><l>&j;</l>", "xml", ""),
    "outside.svg": (OUTSIDE, "xml", "defines entities"),
    "bomb.docx": (office("word/document.xml", ENTITIES + b"]><l>&j;</l>"), "docx", "document type"),
    "outside.pptx": (office("ppt/presentation.xml", OUTSIDE), "pptx", "document type"),
    "outside.xlsx": (office("xl/workbook.xml", OUTSIDE), "xlsx", "document type"),
    "huge.docx": (office("word/document.xml", bytes(210 * 2**20)), "docx", "unpacks to more than"),
    "garbage.pdf": (b"%PDF-1.7" + b"\x00\xffgarbage" * 1000, "pdf", ""),
    "truncated.pdf": (pdf([("Text", 11)])[:300], "pdf", ""),
    "locked.pdf": (locked("secret"), "pdf", "password"),
    "loop.pdf": (raw_pdf(CATALOG, b"<< /Type /Pages /Kids [2 0 R 2 0 R] /Count 2 >>"), "pdf", ""),
}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory) -> dict[str, Outcome]:
    """All of them in one pool, each between two good files."""
    folder = tmp_path_factory.mktemp("poison")
    page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] /Contents 4 0 R >>"
    stream = b"<< /Length %d /Filter /FlateDecode >>\nstream\n%b\nendstream" % (len(BOMB), BOMB)
    bomb = raw_pdf(CATALOG, b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>", page, stream)
    files = {name: (data, kind) for name, (data, kind, _) in REFUSED.items()}
    files |= {"bomb.pdf": (bomb, "pdf"), "empty password.pdf": (locked(""), "pdf"), "scan.pdf": (pdf([], pages=3), "pdf")}
    files |= {"poison text.md": (("# A\0b\n\n\u202eevil\u200b e" + "\u0301" * 100_000).encode("utf-8"), "markdown")}
    tasks = []
    for number, (data, kind) in enumerate(files.values()):
        tasks += [_task(folder, f"good{number}", b"# Good\n\nText.", "markdown"), _task(folder, str(number), data, kind)]
    with Pool(8, Limits(seconds=20)) as pool:
        found = list(pool.run(parse, tasks))
    assert {outcome.value[0][0]["title"] for outcome in found[::2]} == {"Good"}
    return dict(zip(files, found[1::2], strict=True))


def _task(folder: Path, name: str, data: bytes, kind: str) -> tuple:
    path = folder / name
    path.write_bytes(data)
    return str(path), hashlib.sha256(data).hexdigest(), kind, None, 20_000_000


@pytest.mark.parametrize("name", REFUSED)
def test_a_poisonous_file_is_one_refusal_with_its_reason(outcomes, name):
    outcome = outcomes[name]
    assert outcome.value is None and outcome.reason in ("failed", "crashed", "timed_out", "out_of_memory")
    assert REFUSED[name][2] in outcome.detail and len(outcome.detail) <= 200


@pytest.mark.parametrize("name", ["bomb.pdf", "scan.pdf"])
def test_a_pdf_without_text_is_told_apart_from_an_empty_one(outcomes, name):
    (piece,) = outcomes[name].value[0]
    assert piece["reason"] == "no_text" and piece["detail"].startswith("0 characters from")


def test_a_pdf_with_an_empty_password_is_read(outcomes):
    (piece,) = outcomes["empty password.pdf"].value[0]
    assert piece["text"].startswith("# The slipway")


def test_poisonous_text_is_text(outcomes):
    (piece,) = outcomes["poison text.md"].value[0]
    assert piece["text"].startswith("# A") and not piece["reason"]
