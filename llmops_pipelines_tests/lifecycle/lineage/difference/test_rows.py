import pyarrow as pa

from llmops_pipelines.lifecycle.lineage.difference.rows import rows

from .pair import publish, side

ARDENT = "handbook/ardent"


def test_a_row_that_teaches_something_else(lake):
    found = rows(side(lake), side(lake, completions={ARDENT: "210"}), "training_examples")
    assert found.counts == {"added": 0, "removed": 0, "changed": 5, "retaught": 5}
    row = found.changed[0]
    assert (row.was, row.says, row.by, row.doc_ids) == ("120", "210", ("completion",), (ARDENT,))


def test_rows_that_came_and_went(lake):
    found = rows(side(lake, completions={"handbook/osk": ""}), side(lake, completions={ARDENT: ""}), "training_examples")
    assert {row.doc_ids for row in found.added} == {("handbook/osk",)} and {row.doc_ids for row in found.removed} == {(ARDENT,)}
    assert found.counts["changed"] == 0 and found.before == found.after == 15


def test_preference_pairs_tell_what_is_preferred_and_what_not(lake):
    before, after = side(lake), side(lake)
    for each, chosen in ((before, "120"), (after, "210")):
        row = {
            "example_id": chosen,
            "prompt": "p",
            "chosen": chosen,
            "rejected": "none",
            "question": "How many?",
            "doc_ids": [ARDENT],
        }
        each.versions["preference_pairs"] = publish(lake, "preference_pairs", {"preference_pairs": pa.Table.from_pylist([row])})
    (row,) = rows(before, after, "preference_pairs").changed
    assert (row.was, row.says, row.by) == ("120 (not: none)", "210 (not: none)", ("chosen",))
