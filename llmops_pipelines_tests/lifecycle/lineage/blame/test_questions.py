"""What both sides are measured on: a question that went with its document counts, a question that somebody changed is told."""

from llmops_pipelines.lifecycle.lineage.blame.bundles import Bundle
from llmops_pipelines.lifecycle.lineage.blame.questions import Yardstick, yardstick

from .world import Product, questions


def laid(lake, good: Product, bad: Product) -> Yardstick:
    return yardstick(*(Bundle(lake, product.made(lake)) for product in (good, bad)))


def test_equal_sets_are_no_part(lake):
    found = laid(lake, Product(), Product(tokens=40))
    assert (found.moved, found.notes, found.good) == ("", (), found.bad) and len(found.texts) == 24


def test_questions_that_went_with_their_document_are_asked_of_both(lake):
    found = laid(lake, Product(), Product().edited(Askay=None))
    assert found.moved == "" and "who-Askay" in found.bad
    assert found.notes == (
        "2 questions left the evaluation set only because their documents did; both sides are measured on them",
    )


def test_questions_that_came_with_their_document_are_asked_of_both(lake):
    found = laid(lake, Product().edited(Askay=None), Product())
    assert found.moved == "" and "who-Askay" in found.good and "came only because" in found.notes[0]


def test_questions_that_somebody_changed_make_the_set_a_part(lake):
    changed = [row for row in questions() if row["id"] != "who-Askay"]
    changed += [{"id": "new", "question": "Where?", "answers": ["there"], "documents": ["isles/jura.md"], "answerable": True}]
    changed[0] = changed[0] | {"answers": ["nothing"]}
    changed[1] = changed[1] | {"question": "Who lives there?"}
    found = laid(lake, Product(), Product(questions=changed))
    assert found.moved == "1 questions added, 1 removed, 1 reworded, 1 with other right answers"
    assert "who-Askay" not in found.bad and "new" not in found.good


def test_a_line_that_was_taken_out_together_with_the_document_was_taken_out_by_somebody(lake):
    fewer = [row for row in questions() if not row["id"].endswith("Askay")]
    found = laid(lake, Product(), Product(questions=fewer).edited(Askay=None))
    assert found.moved == "2 removed" and found.notes == ()
