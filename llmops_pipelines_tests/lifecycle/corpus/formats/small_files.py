"""Small files that tests write: a PDF by hand, a Word file, and a corpus of a few pages."""

import io
from pathlib import Path

import docx

from llmops_pipelines.config.documents import Cleaning, Source
from llmops_pipelines.lifecycle import corpus
from llmops_pipelines.lifecycle.lake import Lake, Version

SUBJECTS = ["harbour", "lighthouse", "ferry", "timetable", "engine", "ticket", "slipway", "radio", "anchor", "cargo"]


def prose(subject: str, sentences: int = 8) -> str:
    """English sentences about one subject that share few three-word sequences with those about another."""
    verbs = ["guards", "follows", "repairs", "measures", "paints", "lifts", "counts", "cleans"]
    return " ".join(
        f"The {subject} {verbs[n % 8]} {subject} number {n} before every {subject} of the {subject} house."
        for n in range(sentences)
    )


def pdf(lines: list[tuple[str, int]], pages: int = 1) -> bytes:
    """A PDF of `pages` equal pages; each line is (text, font size)."""
    commands, height = [], 780
    for text, size in lines:
        commands.append(f"BT /F1 {size} Tf 50 {height} Td ({text}) Tj ET")
        height -= 2 * size
    stream = "\n".join(commands).encode("latin-1")
    kids = " ".join(f"{4 + n} 0 R" for n in range(pages))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {pages} >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    page = f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents {4 + pages} 0 R"
    objects += [f"{page} /Resources << /Font << /F1 3 0 R >> >> >>".encode()] * pages
    objects.append(b"<< /Length " + str(len(stream)).encode() + b" >>\nstream\n" + stream + b"\nendstream")
    out, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += f"{number} 0 obj\n".encode() + body + b"\nendobj\n"
    table = "".join(f"{place:010d} 00000 n \n" for place in places)
    head = f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}trailer\n<< /Size {len(objects) + 1} /Root 1 0 R >>\n"
    return out + head.encode() + f"startxref\n{len(out)}\n%%EOF\n".encode()


def word_file() -> bytes:
    document = docx.Document()
    document.add_heading("Hull painting", 1)
    document.add_paragraph("Steel is washed first.")
    document.add_paragraph("No rain", style="List Bullet")
    document.add_paragraph("No frost", style="List Bullet")
    table = document.add_table(rows=2, cols=2)
    for place, text in enumerate(["Coat", "Microns", "Primer", "150"]):
        table.cell(place // 2, place % 2).text = text
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def source(project: Path, **words) -> Source:
    """Settings of a source, checked against `project` as the loader does it."""
    settings = {"name": "handbook", "path": "documents", "licence": "CC0-1.0", **words}
    return Source.model_validate(settings, context={"project": project})


class Corpus:
    """A folder of files, a lake, and the two stages run one after the other as the asset graph does it."""

    def __init__(self, folder: Path, **cleaning) -> None:
        self.folder = folder / "documents"
        self.folder.mkdir()
        self.project = folder
        self.lake = Lake(folder / "lake", "support_docs")
        self.sources = [source(folder)]
        self.cleaning = Cleaning(**{"minimum_characters": 50, **cleaning})

    def write(self, uri: str, content: str | bytes) -> None:
        path = self.folder / uri
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)

    def discover(self, name: str = "handbook", **settings) -> Version:
        one = next(source for source in self.sources if source.name == name)
        return self._current(corpus.discover(self.lake, one, self.cleaning, self.project, **settings))

    def parse(self, name: str = "handbook", **settings) -> Version:
        return self._current(corpus.parse(self.lake, self.discover(name), self.cleaning, **settings))

    def read(self, **settings) -> Version:
        """All stages over all sources."""
        names = [source.name for source in self.sources]
        parsed = {name: self.parse(name, **settings) for name in names}
        return self._current(corpus.gather(self.lake, names, parsed, self.cleaning))

    def _current(self, version: Version) -> Version:
        self.lake.point(version)
        return version

    def ledger(self, documents: Version) -> dict[str, tuple[str, str]]:
        rows = documents.table("ledger").to_pylist()
        return {row["doc_id"].removeprefix("handbook/"): (row["outcome"], row["reason"]) for row in rows}

    def text(self, documents: Version, doc_id: str) -> str:
        row = next(row for row in documents.table().to_pylist() if row["doc_id"] == doc_id)
        return corpus.texts(self.lake, [row["content_hash"]])[0]
