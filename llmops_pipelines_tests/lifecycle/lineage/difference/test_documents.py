import shutil

from llmops_pipelines.lifecycle.lineage.difference import documents as module
from llmops_pipelines.lifecycle.lineage.difference.documents import Moved, documents

from .pair import TEXTS, side

ARDENT = "handbook/ardent"


def test_added_removed_and_edited_documents(lake):
    now = {**TEXTS, ARDENT: TEXTS[ARDENT].replace("120", "210"), "notices/new": "A new ferry comes in May."}
    del now["handbook/fares"]
    found = documents(side(lake), side(lake, texts=now))
    assert (found.added, found.removed) == (("notices/new",), ("handbook/fares",))
    (edited,) = found.edited
    assert (edited.doc_id, edited.changed) == (ARDENT, 2 * len(TEXTS[ARDENT]))
    assert edited.lines == (("-", TEXTS[ARDENT]), ("+", now[ARDENT]))
    assert found.counts == {"before": 4, "after": 4, "added": 1, "removed": 1, "renamed": 0, "edited": 1, "moved": 0}
    assert found.touched == {"notices/new", "handbook/fares", ARDENT}


def test_a_document_that_only_has_another_name_is_neither_added_nor_removed(lake):
    now = {("handbook/prices" if name == "handbook/fares" else name): text for name, text in TEXTS.items()}
    found = documents(side(lake), side(lake, texts=now))
    assert found.renamed == (("handbook/fares", "handbook/prices"),)
    assert not found.added and not found.removed


def test_other_terms_of_the_same_text(lake):
    terms = {ARDENT: {"licence": "MIT", "access": ["staff", "crew"]}, "notices/pier": {"trust": "untrusted"}}
    found = documents(side(lake), side(lake, terms=terms))
    assert not found.edited
    assert {*found.moved} == {
        Moved(ARDENT, "licence", "CC0-1.0", "MIT"),
        Moved(ARDENT, "access", "", "staff, crew"),
        Moved("notices/pier", "trust", "trusted", "untrusted"),
    }


def test_the_largest_edit_comes_first_and_those_asked_for_are_read_first(lake, monkeypatch):
    now = {**TEXTS, ARDENT: TEXTS[ARDENT] + "\nNew.", "handbook/osk": TEXTS["handbook/osk"] + "\nA longer line than that."}
    both = side(lake), side(lake, texts=now)
    assert [each.doc_id for each in documents(*both).edited] == ["handbook/osk", ARDENT]
    monkeypatch.setattr(module, "READ", 1)
    first, second = documents(*both, first=[ARDENT]).edited
    assert (first.doc_id, second.doc_id, second.changed) == (ARDENT, "handbook/osk", None)


def test_long_lists_are_cut_and_counted(lake, monkeypatch):
    monkeypatch.setattr(module, "LISTED", 2)
    found = documents(side(lake, texts={ARDENT: TEXTS[ARDENT]}), side(lake))
    assert len(found.added) == 2 and found.counts["added"] == 3 and found.more == "1 more added"


def test_texts_that_a_clean_up_took_leave_the_edit_without_its_lines(lake):
    both = side(lake), side(lake, texts={**TEXTS, ARDENT: "gone"})
    shutil.rmtree(lake.store("texts", "v1", "content_hash").path)
    (edited,) = documents(*both).edited
    assert (edited.doc_id, edited.changed, edited.lines) == (ARDENT, None, ())
