"""The papers of a release: a model card that people read, and a bill of materials that holds against the CycloneDX schema."""

import json
from dataclasses import replace

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from llmops_pipelines.config.endpoints import ChatEndpoint
from llmops_pipelines.lifecycle.release import papers
from llmops_pipelines.lifecycle.release.bill import bill_of_materials
from llmops_pipelines.lifecycle.release.card import model_card
from llmops_pipelines.lifecycle.release.history import Release
from llmops_pipelines.lifecycle.release.promotion import planned

from .world import CATALOGUE, GATE, candidate, spec, world


@pytest.fixture(scope="module")
def release(tmp_path_factory) -> Release:
    moves = world(tmp_path_factory.mktemp("product"))
    plan = planned(moves, candidate(moves.lake), GATE, "production", CATALOGUE, "ann")
    return moves.history.append(replace(plan.release, prepared_at="2026-11-20T10:00:00+00:00"))  # as it is read again


def valid(bill: dict) -> str | None:
    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(bill))
    return None if error is None else str(error.data.message)


def test_the_bill_follows_the_schema_and_a_broken_one_does_not(release):
    bill = bill_of_materials(release)
    assert valid(bill) is None
    assert valid(bill | {"specVersion": 7}) is not None
    assert valid(bill | {"components": [{"name": "no type"}]}) is not None


def test_the_bill_names_documents_models_data_code_and_packages(release):
    components = {each["bom-ref"]: each for each in bill_of_materials(release)["components"]}
    documents = [each for ref, each in components.items() if ref.startswith("documents:")]
    assert {(each["data"][0]["name"], each["licenses"][0]["license"]["name"]) for each in documents} == {
        ("handbook", "CC0-1.0"),
        ("notices", "MIT"),
    }
    assert components["base_model"]["hashes"] == [{"alg": "SHA-256", "content": "a" * 64}]
    assert {"checkpoint", "embedding_model", "training_examples", "eval_questions", "code"} <= components.keys()
    assert any(ref.startswith("pkg:pypi/pydantic@") for ref in components)


def test_the_bill_carries_the_scores_with_their_intervals(release):
    card = bill_of_materials(release)["metadata"]["component"]["modelCard"]
    (metric,) = (each for each in card["quantitativeAnalysis"]["performanceMetrics"] if each["type"] == "token_f1")
    assert metric == {"type": "token_f1", "value": "0.5", "confidenceInterval": {"lowerBound": "0.4", "upperBound": "0.6"}}


def test_the_same_record_makes_the_same_papers(release, tmp_path):
    first, second = (papers.write(release, tmp_path / name) for name in ("a", "b"))
    names = {path.name for path in first.iterdir()}
    assert names == {"model_card.md", "bill_of_materials.cdx.json", "bundle.json"}
    assert all((first / name).read_bytes() == (second / name).read_bytes() for name in names)


def test_the_card_says_what_a_reader_asks(release):
    card = model_card(release)
    for sentence in (
        "# shop, release 1",
        "Answers questions.",
        "| handbook | CC0-1.0 | search_and_training | trusted | 2 |",
        "| base model | little llama |",
        "| its licence | MIT |",
        "| token_f1 | 0.500 | 0.400 to 0.600 | 100% |",
        "| source: notices | token_f1 | 5 | 0.480 |",
        "- It does worst on source notices: token_f1 0.480 over 5 questions.",
        "## Gate: promote",
        "- pass: token_f1 of the candidate is at least 0.3 (measured 0.500)",
        "    Question: {question}",
        "says 'not in the documents' when they hold no answer",
    ):
        assert sentence in card, sentence


def test_a_record_of_an_earlier_version_has_papers_too():
    old = Release(1, "shop", {"index": {"fingerprint": "f", "digest": "d"}}, {"answers": {}}, {}, "1", ["pass: x"], format=1)
    assert "- pass: x" in model_card(old)
    assert valid(bill_of_materials(old)) is None


def test_text_from_documents_cannot_break_the_card(release):
    rows = [release.terms["documents"][0] | {"source": "handbook", "licence": "a | b\n<script>"}]
    card = model_card(replace(release, terms=release.terms | {"documents": rows}))
    assert "| handbook | a \\| b &lt;script> |" in card


def test_an_endpoints_address_stays_out_of_the_papers(release, tmp_path):
    remote = spec("remote", model="endpoint", endpoint=ChatEndpoint(url="https://models.example/v1?key=secret", model="big"))
    said = {"spec": remote.described(), "identity": "i"}
    folder = papers.write(replace(release, candidate=said), tmp_path)
    assert not any("secret" in path.read_text("utf-8") for path in folder.iterdir())
    assert json.loads((folder / "bundle.json").read_text())["candidate"]["spec"]["endpoint"]["at"] == "models.example/v1"
