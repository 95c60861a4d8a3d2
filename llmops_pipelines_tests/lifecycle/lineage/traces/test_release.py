"""What a release was made of: who moved it, each step with its cost, sources down to bytes, settings and scores."""

import shutil

import pytest

from llmops_pipelines.lifecycle.lineage.html import render
from llmops_pipelines.lifecycle.lineage.page import Cell, Facts, Table
from llmops_pipelines.lifecycle.lineage.traces.release import ReleaseLineage, lineage_of
from llmops_pipelines.lifecycle.lineage.traces.release_page import release_page

from ..small_product import Product, doc_id, sha, whole


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Product:
    return whole(tmp_path_factory.mktemp("made"))


@pytest.fixture
def product(made, tmp_path) -> Product:
    return made.copied(tmp_path / "home")


def told(product: Product, **said) -> ReleaseLineage:
    return lineage_of(product.lake, product.history, product.history.live(), **said)


def test_it_says_who_released_it_and_what_it_runs_on(product):
    found = told(product)
    assert (found.release, found.actor, found.why, found.live_in) == (1, "ada", "better", ["production"])
    assert [each["phase"] for each in found.phases] == ["prepared", "committed"]
    assert (found.mlflow_run, found.code, found.packages) == ("mlflow-run", "0.1.0+abc", {"torch": "2.13.0"})
    assert found.scores["token_f1"]["mean"] == 0.9 and found.verdict == "promote"


def test_each_step_has_its_run_and_its_cost_and_the_totals_are_their_sum(product):
    found = told(product)
    checkpoint = next(step for step in found.steps if step.asset == "checkpoint")
    assert (checkpoint.run, checkpoint.tokens, checkpoint.gpu_seconds) == ("run-1", 500, 2.0)
    assert checkpoint.parents.keys() == {"base_model", "training_examples"}
    assert found.totals["tokens"] == 500 and found.steps_measured == len(found.steps)
    assert found.totals["cpu_seconds"] == pytest.approx(sum(step.cpu_seconds for step in found.steps), abs=1e-3)


def test_versions_of_earlier_releases_have_no_cost_and_no_zero(product, monkeypatch):
    monkeypatch.setattr("llmops_pipelines.lifecycle.lake.Version.made", property(lambda version: {}))
    found = told(product)
    assert found.totals == {} and found.steps_measured == 0
    (cost,) = [block for block in release_page(found).blocks if block.title.startswith("Cost")]
    assert list(cost.values) == ["not recorded"]


def test_settings_come_from_the_record_and_the_parts(product):
    settings = told(product).settings
    assert settings["prompt"]["template"].startswith("Context:") and len(settings["prompt"]["digest"]) == 64
    assert settings["chunker"]["tokens"] == 96 and settings["answers"]["passages"] == 1
    assert settings["recipe"]["method"] == "lora"


def test_documents_are_listed_with_the_bytes_they_were_parsed_from(product):
    assert told(product).documents is None
    listed = {each.doc_id: each for each in told(product, documents=True).documents}
    assert listed.keys() == {doc_id("harbour.md"), doc_id("ferry.md")}
    ferry = listed[doc_id("ferry.md")]
    assert ferry.source_sha256 == sha(f"bytes of {_text(product, 'ferry.md')}") and ferry.licence == "MIT"


def test_sources_say_what_they_held(product):
    (source,) = told(product).sources
    assert (source.name, source.files, source.documents, source.licence) == ("handbook", 2, 2, "MIT")


def test_a_version_that_is_gone_stands_in_the_table_with_its_reason(product):
    shutil.rmtree(product.made["checkpoint"].path)
    page = release_page(told(product))
    steps = next(block for block in page.blocks if isinstance(block, Table) and block.title.startswith("Steps"))
    row = next(row for row in steps.rows if row[0] == "checkpoint")
    assert isinstance(row[2], Cell) and row[2].mark == "bad" and "no such version is left" in row[2].text
    assert page.mark == "bad" and "1 of its versions" in page.answer


def test_the_page_says_it_in_one_sentence_and_goes_into_a_browser(product):
    page = release_page(told(product, documents=True))
    assert page.answer.startswith("Release 1 of isles (fine_tuned_retrieval) answers in production.")
    assert any(isinstance(block, Facts) and block.title == "Prompt" for block in page.blocks)
    assert "handbook/ferry.md" in render(page)


def test_a_release_that_was_replaced_is_not_live(product):
    product.corpus({"ferry.md": "The ferry sails at one."})
    product.release()
    found = lineage_of(product.lake, product.history, product.history.record(1))
    assert found.live_in == [] and "not live" in release_page(found).answer


def _text(product: Product, file: str) -> str:
    row = next(row for row in product.made["documents"].table().to_pylist() if row["file"] == file)
    return product.lake.store("texts", "v1", "content_hash").take([row["content_hash"]]).to_pylist()[0]["text"]
