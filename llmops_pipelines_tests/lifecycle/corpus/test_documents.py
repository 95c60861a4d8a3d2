"""From files to documents: every item has an outcome, nothing is done twice, and unchanged input loads no parser."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from llmops_pipelines.lifecycle import corpus
from llmops_pipelines.lifecycle.corpus import ledger
from llmops_pipelines.lifecycle.corpus.places import folder
from llmops_pipelines.lifecycle.lake import Version

from .formats.foreign_files import zipped
from .formats.small_files import Corpus, pdf, prose, source


@pytest.fixture(scope="module")
def mixed(tmp_path_factory) -> Iterator[Corpus]:
    """One file of each fate, read once for all tests of this module."""
    made = Corpus(tmp_path_factory.mktemp("mixed"))
    made.write("fine.md", "# Harbour\n\n" + prose("harbour"))
    made.write("twin.md", "# Harbour\n\n" + prose("harbour"))
    made.write("near.md", "# Harbour\n\n" + prose("harbour") + " Added later.")
    made.write("french.txt", "Le bateau part le matin et revient le soir, quand les lampes sont allumées. " * 3)
    made.write("western.txt", ("The café costs £5. " + prose("cafe")).encode("cp1252"))
    made.write("empty.md", "")
    made.write("blank.txt", " \n\n ")
    made.write("short.md", "Too short.")
    made.write("picture.png", b"\x89PNG")
    made.write("broken.pdf", pdf([("Slip", 18), (prose("slip", 1), 11)])[:300])
    made.write("scan.pdf", pdf([], pages=2))
    made.write("rows.jsonl", f'{{"id": "n1", "text": "{prose("radio")}"}}\n{{"id": "n2", "text": ""}}\nno row\n')
    made.write("mail.md", "# Mail\n\nWrite to ann@example.org. " + prose("mail"))
    made.sources = [
        source(made.project, exclude=["*.jsonl"]),
        source(made.project, name="notices", include=["*.jsonl"], columns={"id": "id", "text": "text"}, licence="MIT"),
    ]
    with pytest.MonkeyPatch.context() as patch:  # pretend that the files were written long ago
        patch.setattr(folder, "SETTLED_NS", -(10**10))
        made.documents = made.read()
        yield made


def test_every_file_has_an_outcome(mixed):
    assert mixed.ledger(mixed.documents) == {
        "fine.md": ("indexed", ""),
        "twin.md": ("indexed", ""),
        "western.txt": ("indexed", ""),
        "mail.md": ("indexed", ""),
        "near.md": ("skipped", "near_duplicate"),
        "french.txt": ("skipped", "language"),
        "empty.md": ("skipped", "empty"),
        "blank.txt": ("skipped", "empty"),
        "short.md": ("skipped", "too_short"),
        "picture.png": ("skipped", "unsupported_format"),
        "broken.pdf": ("quarantined", "parser_failed"),
        "scan.pdf": ("quarantined", "no_text"),
        "notices/rows.jsonl#n1": ("indexed", ""),
        "notices/rows.jsonl#n2": ("skipped", "empty"),
        "notices/rows.jsonl#line 3": ("quarantined", "bad_row"),
    }
    details = {row["doc_id"]: row["detail"] for row in mixed.documents.table("ledger").to_pylist()}
    assert details["handbook/near.md"] == "handbook/fine.md"
    assert details["handbook/broken.pdf"].startswith("Pdf")


def test_the_facts_say_what_happened(mixed):
    facts = mixed.documents.facts
    assert (facts["discovered"], facts["indexed"], facts["skipped"], facts["quarantined"]) == (15, 5, 7, 3)
    assert (facts["dropped_empty"], facts["exact_duplicates"], facts["sources"]) == (3, 1, 2)
    assert facts["licences"] == ["CC0-1.0: 4 documents", "MIT: 1 documents"]
    parsed = mixed.parse().facts
    assert (parsed["reencoded"], parsed["replaced_email"]) == (1, 1)


def test_equal_texts_keep_two_ids_and_share_hash_and_cluster(mixed):
    rows = {row["doc_id"]: row for row in mixed.documents.table().to_pylist()}
    assert list(rows) == sorted(rows)
    fine, twin = rows["handbook/fine.md"], rows["handbook/twin.md"]
    assert fine["content_hash"] == twin["content_hash"] and fine["cluster"] == twin["cluster"] == "handbook/fine.md"
    assert rows["notices/rows.jsonl#n1"]["title"] == "Rows" and rows["notices/rows.jsonl#n1"]["licence"] == "MIT"


def test_texts_come_in_the_order_asked_for(mixed):
    assert "Write to [email]." in mixed.text(mixed.documents, "handbook/mail.md")
    hashes = mixed.documents.table().column("content_hash").to_pylist()
    asked = [hashes[-1], hashes[0], hashes[-1]]
    first, second, third = corpus.texts(mixed.lake, asked)
    assert first == third != second
    with pytest.raises(KeyError):
        corpus.texts(mixed.lake, ["0" * 64])


def test_the_ledger_balances(mixed):
    balanced, counts = corpus.ledger_balances(mixed.lake, mixed.documents)
    assert balanced
    assert counts["sources"]["notices"] == {"discovered": 3, "indexed": 1, "skipped": 1, "quarantined": 1, "deleted": 0}


@pytest.mark.parametrize("damage", ["line_lost", "line_twice", "reason_lost", "document_lost"])
def test_a_ledger_that_lies_does_not_balance(mixed, damage):
    class Changed(Version):
        def table(self, name=None, columns=None):
            table = mixed.documents.table(name, columns)
            if name == "ledger" and damage == "line_lost":
                return table.slice(1)
            if name == "ledger" and damage == "line_twice":
                return pa.concat_tables([table, table.slice(0, 1)])
            if name == "ledger" and damage == "reason_lost":
                return table.set_column(table.schema.get_field_index("reason"), "reason", pa.array([""] * table.num_rows))
            return table.slice(1) if name is None and damage == "document_lost" else table

    assert not ledger.ledger_balances(mixed.lake, Changed(**vars(mixed.documents)))[0]


AGAIN = """
import json, sys
from pathlib import Path
from llmops_pipelines.config.documents import Cleaning, Source
from llmops_pipelines.lifecycle import corpus
from llmops_pipelines.lifecycle.corpus.places import folder as place
from llmops_pipelines.lifecycle.lake import Lake
place.SETTLED_NS = -10**10
folder = Path(sys.argv[1])
sources = [Source.model_validate(words, context={"project": folder}) for words in json.loads(sys.argv[2])]
lake, cleaning = Lake(folder / "lake", "support_docs"), Cleaning(minimum_characters=50)
raw = [corpus.discover(lake, source, cleaning, folder) for source in sources]
parsed = {source.name: corpus.parse(lake, each, cleaning) for source, each in zip(sources, raw)}
assert all(each.reused for each in raw) and corpus.gather(lake, parsed, parsed, cleaning).reused
heavy = "trafilatura pypdf docx lxml charset_normalizer pebble phonenumbers stdnum py3langid deltalake pandas pyarrow numpy"
print([name for name in heavy.split() if name in sys.modules])
"""


def test_unchanged_input_imports_no_parser_and_no_model(mixed):
    words = json.dumps([source.model_dump(mode="json") for source in mixed.sources])
    command = [sys.executable, "-c", AGAIN, str(mixed.project), words]
    result = subprocess.run(command, capture_output=True, text=True, cwd=Path.cwd())
    assert result.stdout.strip() == "[]", result.stderr


def test_when_one_file_changes_only_it_is_parsed_and_cleaned(mixed):
    mixed.write("mail.md", "# Mail\n\nWrite to ann@example.org today. " + prose("mail"))
    changed = mixed.read()
    facts = mixed.parse().facts
    assert (facts["parsed"], facts["reused_parsed"], facts["cleaned"]) == (1, 8, 1)
    assert changed.digest != mixed.documents.digest
    mixed.write("mail.md", "# Mail\n\nWrite to ann@example.org. " + prose("mail"))
    assert mixed.read().digest == mixed.documents.digest


def test_another_rule_reads_and_cleans_nothing_again(mixed):
    mixed.cleaning = mixed.cleaning.model_copy(update={"minimum_characters": 5})
    assert mixed.read().facts["indexed"] == 6
    facts = mixed.parse().facts
    assert (facts["parsed"], facts["cleaned"]) == (0, 0)
    mixed.cleaning = mixed.cleaning.model_copy(update={"minimum_characters": 50})


def test_deleted_files_are_in_the_ledger(mixed):
    (mixed.folder / "twin.md").unlink()
    documents = mixed.read()
    assert mixed.ledger(documents)["twin.md"] == ("deleted", "no_longer_in_the_source")
    assert corpus.ledger_balances(mixed.lake, documents)[0]


def test_a_corpus_without_one_good_document_is_an_error(tmp_path):
    made = Corpus(tmp_path)
    made.write("a.png", "x")
    with pytest.raises(corpus.CorpusError, match=r"0 of 1 documents can be indexed \(unsupported_format 1\)"):
        made.read()


def test_a_source_where_much_cannot_be_read_stops_and_the_others_do_not(tmp_path):
    made = Corpus(tmp_path)
    made.write("a.md", prose("harbour"))
    for number in range(3):
        made.write(f"broken-{number}.pdf", b"%PDF-1.7 nothing")
    with pytest.raises(corpus.CorpusError, match="source handbook: 3 of 4 documents cannot be read; more than 50%"):
        made.read()
    made.cleaning = made.cleaning.model_copy(update={"stop_when_quarantined_above": 0.8})
    assert made.read().facts["quarantined"] == 3


def test_a_source_that_leaves_the_settings_does_not_take_everything_along_unasked(tmp_path):
    made = Corpus(tmp_path)
    made.write("a.md", prose("harbour"))
    made.write("b.md", prose("radio"))
    made.sources = [source(tmp_path, include=["a.md"]), source(tmp_path, name="notices", include=["b.md"])]
    made.read()
    made.sources.pop()
    with pytest.raises(corpus.CorpusError, match="1 of 2 documents go with notices") as stopped:
        made.read()
    snapshot = str(stopped.value).rsplit(" ", 1)[-1]
    made.cleaning = made.cleaning.model_copy(update={"allow_deletions_in": snapshot})
    assert made.read().facts["indexed"] == 1


def test_what_is_said_of_a_source_travels_with_its_documents(tmp_path):
    made = Corpus(tmp_path)
    made.write("a.md", prose("harbour"))
    said = {"access": ["staff", "crew"], "consent": "search", "trust": "untrusted", "licence": "internal"}
    made.sources = [source(tmp_path, **said)]
    (row,) = made.read().table().to_pylist()
    assert {name: row[name] for name in said} == said | {"access": ["crew", "staff"]}
    made.sources = [source(tmp_path, **said | {"access": ["crew"]})]
    again = made.read()
    assert again.table().to_pylist()[0]["access"] == ["crew"] and made.parse().facts["parsed"] == 0
    assert again.json("terms")["access"] == {"crew": 1}


@pytest.fixture(scope="module")
def near(tmp_path_factory) -> Corpus:
    """Two texts that say almost the same, parsed once for all that may be said of them."""
    made = Corpus(tmp_path_factory.mktemp("near"))
    made.write("x.md", prose("harbour"))
    made.write("y.md", prose("harbour") + " Added later.")
    return made


ALL, STAFF = {}, {"access": ["staff"]}


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        (ALL, ALL, {"a_web/x.md"}),
        ({"trust": "untrusted"}, ALL, {"handbook/y.md"}),
        (ALL, {"trust": "untrusted"}, {"a_web/x.md"}),
        (STAFF, ALL, {"handbook/y.md"}),
        (STAFF, STAFF, {"a_web/x.md"}),
        ({"access": ["crew", "staff"]}, STAFF, {"a_web/x.md"}),
        ({"consent": "search"}, {"consent": "search_and_training"}, {"handbook/y.md"}),
        # kept for those who may not see the one that ranks before it
        (STAFF, {"access": ["crew"]}, {"a_web/x.md", "handbook/y.md"}),
        (STAFF, {"access": ["crew", "staff"]}, {"a_web/x.md", "handbook/y.md"}),
        (STAFF, {"trust": "untrusted"}, {"a_web/x.md", "handbook/y.md"}),
    ],
)
def test_of_near_duplicates_the_trusted_open_and_free_one_is_kept_and_nobody_loses_a_text(near, first, second, kept):
    folder = near.project
    near.sources = [source(folder, name="a_web", include=["x.md"], **first), source(folder, include=["y.md"], **second)]
    documents = near.read()
    assert set(documents.table().column("doc_id").to_pylist()) == kept
    assert len(set(documents.table().column("cluster").to_pylist())) == 1
    assert corpus.ledger_balances(near.lake, documents)[0]


def test_documents_of_one_file_that_choose_the_same_name_block_nothing(tmp_path):
    made = Corpus(tmp_path)
    rows = [{"id": "line 3", "text": prose("radio")}, {"id": "line 3~1", "text": prose("anchor")}]
    made.write("rows.jsonl", "\n".join([*map(json.dumps, rows), "no row"]))
    made.write("all.zip", zipped({"a.csv": f"id,text\n1,{prose('ferry')}\n".encode(), "a.csv/1": b"", "a.csv/1.md": b"# A"}))
    made.sources = [source(tmp_path, columns={"id": "id", "text": "text"})]
    documents = made.read()
    assert made.ledger(documents) == {
        "rows.jsonl#line 3": ("indexed", ""),
        "rows.jsonl#line 3~1": ("indexed", ""),
        "rows.jsonl#line 3~2": ("quarantined", "bad_row"),
        "all.zip#a.csv/1": ("indexed", ""),
        "all.zip#a.csv/1~1": ("skipped", "unsupported_format"),
        "all.zip#a.csv/1.md": ("skipped", "too_short"),
    }
    assert corpus.ledger_balances(made.lake, documents)[0]


def test_the_second_document_of_a_name_is_quarantined(tmp_path):
    made = Corpus(tmp_path, stop_when_quarantined_above=1)
    rows = f"id,text\n1.md,{prose('ferry')}\n".encode()
    made.write("all.zip", zipped({"a.csv": rows, "a.csv/1.md": prose("cargo").encode()}))
    made.sources = [source(tmp_path, columns={"id": "id", "text": "text"})]
    documents = made.read()
    assert made.ledger(documents) == {
        "all.zip#a.csv/1.md": ("indexed", ""),
        "all.zip#a.csv/1.md~1": ("quarantined", "repeated_name"),
    }
    assert corpus.ledger_balances(made.lake, documents)[0]


def test_a_paused_source_stays_as_it_was(tmp_path):
    made = Corpus(tmp_path)
    made.write("a.md", prose("harbour"))
    before = made.read()
    made.write("b.md", prose("radio"))
    made.sources = [source(tmp_path, paused=True)]
    assert made.read().digest == before.digest
    made.sources = [source(tmp_path)]
    assert made.read().facts["indexed"] == 2
