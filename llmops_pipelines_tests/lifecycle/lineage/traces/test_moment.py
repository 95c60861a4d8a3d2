"""What was live at a time, until when, and the releases around it."""

import json

import pytest

from llmops_pipelines.lifecycle.lineage.traces.moment import moment_page, was_live

from ..small_product import Product, whole


@pytest.fixture(scope="module")
def product(tmp_path_factory) -> Product:
    """Three releases, an hour apart."""
    product = whole(tmp_path_factory.mktemp("made"))
    for why in ("second", "third"):
        product.release(why)
    for epoch in (1, 2, 3):
        path = product.history.folder / f"{epoch:06d}.end.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"at": f"2026-11-20T1{epoch}:00:00+00:00"}))
    return product


@pytest.mark.parametrize(("time", "release"), [("11:00", 1), ("12:30", 2), ("23:00", 3)])
def test_the_newest_release_before_the_time_was_live(product, time, release):
    found = was_live(product.lake, product.history, f"2026-11-20T{time}", "production")
    assert found.live.release == release


def test_it_says_until_when_and_who_came_before_and_after(product):
    found = was_live(product.lake, product.history, "2026-11-20T12:30", "production")
    assert found.until == "2026-11-20T13:00:00+00:00"
    assert [(move.release, move.why) for move in found.around] == [(1, "better"), (2, "second"), (3, "third")]
    assert moment_page(found).answer == (
        "Release 2 was live in production, from 2026-11-20T12:00:00+00:00 until 2026-11-20T13:00:00+00:00."
    )


def test_a_time_with_an_offset_is_another_time(product):
    found = was_live(product.lake, product.history, "2026-11-20T12:30+02:00", "production")
    assert found.live is None and moment_page(found).answer.startswith("Nothing was live")


def test_another_stage_has_a_history_of_its_own(product):
    assert was_live(product.lake, product.history, "2026-11-20T23:00", "staging").live is None
