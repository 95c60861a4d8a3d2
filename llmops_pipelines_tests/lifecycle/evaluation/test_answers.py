"""The asset answers/<candidate>: what is stored, what is asked only once, what depends on what, what fails alone."""

import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from llmops_pipelines.config.pipeline import Answers, Embeddings
from llmops_pipelines.lifecycle.compute.chat import ChatError
from llmops_pipelines.lifecycle.evaluation import EvaluationError, answer
from llmops_pipelines.lifecycle.evaluation.answers import ALONE, SAMPLE, answer_as
from llmops_pipelines.lifecycle.evaluation.candidates import Parts, Spec
from llmops_pipelines.lifecycle.index import EVERYTHING, Settings
from llmops_pipelines.lifecycle.lake import Lake, Version
from llmops_pipelines.lifecycle.lake.digests import file_digest

from ...fake_endpoint import Failing, FakeEndpoint, status
from .asking import ANSWERS, PROJECT, TEXTS, Parrot, Shelf, settled_candidate, spec_of

QUESTIONS = {"q1": "Who is master of Grey Heron?", "q2": "When does Grey Heron sail?", "q3": "Why do penguins whistle?"}


@dataclass
class Bench:
    """A lake with an evaluation set and, where a test has weights, a tiny model."""

    lake: Lake
    tiny: Path | None = None
    shelf: Shelf = field(default_factory=Shelf)
    adapter: str = "active"
    trained_on: str = ""  # other weights than the base's
    sequence: int = 1

    def publish(self, asset: str, *, rows: list[dict] | None = None, copy: Path | None = None, **jsons: Any) -> Version:
        def write(draft) -> None:
            if rows is not None:
                draft.table(asset, pa.Table.from_pylist(rows))
            for name, value in jsons.items():
                draft.json(name, value)
            if copy is not None:
                folder = draft.file(copy.name if copy.name == "model" else "adapter")
                folder.mkdir()
                for path in copy.iterdir():
                    (folder / path.name).write_bytes(path.read_bytes())

        return self.lake.once(asset, code="test", config=[rows, jsons, str(copy)], parents=[], write=write)

    def questions(self, asked: dict[str, str] = QUESTIONS) -> Version:
        return self.publish("eval_questions", rows=[{"id": key, "question": text} for key, text in asked.items()])

    def parts(self) -> Parts:
        index = self.publish("index", index={"sequence": self.sequence})
        searching = self.publish("retrieval_settings", retrieval_settings=Settings().described())
        if self.tiny is None:
            return Parts(index, searching)
        files = {path.name: file_digest(path) for path in (self.tiny / "base").iterdir()}
        known = {"folder": str(self.tiny / "base"), "weights_sha256": files["model.safetensors"], "files": files}
        base = self.publish("base_model/r", base_model=known)
        whole = self.adapter == "model"
        trained = {"base_weights_sha256": self.trained_on or known["weights_sha256"], "kind": "model" if whole else "adapter"}
        return Parts(index, searching, base, self.publish("checkpoint/r", copy=self.tiny / self.adapter, checkpoint=trained))

    def answer(self, asked: dict[str, str] = QUESTIONS, settings: Answers = ANSWERS, parts: Parts | None = None, **words):
        given = {"connect": None, "secrets": words.pop("secrets", None), "project": PROJECT, "retriever": self.shelf}
        candidate = settled_candidate(settings, **words)
        return answer(self.lake, candidate, self.questions(asked), parts or self.parts(), settings, Embeddings(), **given)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(Lake(tmp_path / "lake", "demo"))


@pytest.fixture
def pretended(bench: Bench, tmp_path: Path) -> Bench:
    """With folders that nothing is loaded from."""
    bench.tiny = tmp_path
    for name in ("base", "active"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.safetensors").touch()
    return bench


@pytest.fixture
def weights(bench: Bench, tiny: Path) -> Bench:
    bench.tiny = tiny
    return bench


def rows(version: Version) -> dict[str, dict]:
    return {row["question_id"]: row for row in version.table().to_pylist()}


def test_every_question_has_a_row_with_what_was_found_read_and_said(bench):
    version = bench.answer(model="none", name="extractive")
    assert version.asset == "answers/extractive"
    found = rows(version)
    assert [row["answer"] for row in found.values()] == ["Captain Runa Estby", "14:30", "not in the documents"]
    assert [row["refused"] for row in found.values()] == [False, False, True]
    assert found["q1"]["passages"] == ["c0", "c1", "c2"] and found["q1"]["documents"] == ["d/0", "d/1", "d/2"]
    assert found["q1"]["read"] == TEXTS[:2] and found["q1"]["error"] is None
    assert bench.shelf.asked[0] == (list(QUESTIONS.values()), 10, EVERYTHING)  # our own questions see every passage
    assert version.facts["refused"] == 1 and version.facts["megabytes"] == 0 and version.facts["cost"] == 0


def test_the_timings_have_every_step_and_questions_asked_by_themselves(bench):
    many = {f"q{number}": f"Who is master number {number}?" for number in range(SAMPLE + 5)}
    version = bench.answer(many, model="none")
    timings = version.table("timings").to_pylist()
    assert {row["step"] for row in timings} == {"retrieve", "answer", ALONE}
    alone = [row for row in timings if row["step"] == ALONE]
    assert len(alone) == SAMPLE and all(row["milliseconds"] > 0 and row["cost"] is None for row in alone)
    assert len([row for row in timings if row["step"] == "answer"]) == len(many)
    assert 0 < version.facts["milliseconds_p50"] <= version.facts["milliseconds_p95"]


def test_the_candidate_is_kept_with_its_prompt_and_can_be_read_again(bench):
    with FakeEndpoint(answer=lambda messages: "Runa Estby") as service:
        words = {"model": "endpoint", "endpoint": service.words(), "steps": ["rewrite", "retrieve", "answer", "verify"]}
        kept = bench.answer(**words).json("candidate")
    spec = Spec.of(settled_candidate(**words), ANSWERS, PROJECT)
    assert Spec.read(kept) == spec and "{context}" in kept["prompt"]["template"]
    assert spec.identity == Spec.read(kept).identity != replace(spec, passages=9).identity


def test_answers_depend_on_what_the_candidate_uses_and_on_nothing_else(pretended):
    used = {"none": {"model": "none"}, "base": {"model": "base"}, "closed": {"model": "tuned", "steps": ["answer"]}}

    def fingerprints() -> dict[str, str]:
        found = {}
        for name, words in used.items():
            spec = Spec.of(settled_candidate(**words), ANSWERS, PROJECT)
            found[name] = [version.asset for version in spec.parents(pretended.parts())]
        return found

    assert fingerprints() == {
        "none": ["index", "retrieval_settings"],
        "base": ["index", "retrieval_settings", "base_model/r"],
        "closed": ["base_model/r", "checkpoint/r"],
    }


def test_prices_patience_and_descriptions_are_no_part_of_what_a_candidate_is(bench):
    with FakeEndpoint(answer=lambda messages: "Runa") as service:
        first = bench.answer(model="endpoint", endpoint=service.words())
        again = bench.answer(model="endpoint", endpoint=service.words(seconds=9.0, price_in=2.0))
        other = bench.answer(model="endpoint", endpoint=service.words(temperature=None))
    assert again.reused and first.fingerprint == again.fingerprint != other.fingerprint


def test_an_endpoint_is_asked_once_for_each_prompt(bench):
    with FakeEndpoint(answer=lambda messages: "Runa Estby") as service:
        words = {"model": "endpoint", "endpoint": service.words(price_in=100.0, price_out=200.0)}
        first = bench.answer(**words)
        assert (service.asked, first.facts["generated"], first.facts["reused"]) == (3, 3, 0)
        bench.sequence = 2  # another index that finds the same passages
        again = bench.answer(**words)
        assert (again.reused, service.asked, again.facts["generated"], again.facts["reused"]) == (False, 3, 0, 3)
        bench.shelf, bench.sequence = Shelf(texts=("Another text.",)), 3
        assert bench.answer(**words).facts["generated"] == 3 and service.asked == 6
    said = [row for row in first.table("timings").to_pylist() if row["step"] == "answer"]
    assert all(row["tokens_out"] == 2 and row["cost"] == pytest.approx((row["tokens_in"] * 100 + 400) / 1e6) for row in said)
    assert first.facts["cost"] == pytest.approx(sum(row["cost"] for row in said), abs=1e-6)
    assert "megabytes" not in first.facts  # nobody knows


def test_questions_that_an_endpoint_failed_on_are_errors_and_asked_again_by_the_next_call(bench):
    with FakeEndpoint(answer=lambda messages: "Runa", failing=Failing(0.5, status(400))) as service:
        words = {"model": "endpoint", "endpoint": service.words()}
        first = bench.answer(**words)
        assert (first.facts["failed"], service.asked) == (1, 3)
        (failed,) = [row for row in rows(first).values() if row["error"]]
        assert (failed["answer"], failed["refused"]) == (None, False) and failed["error"].startswith("answer: status 400")
        assert failed["documents"] == ["d/0", "d/1", "d/2"]  # the search was done
        assert len([row for row in first.table("timings").to_pylist() if row["step"] == ALONE]) == 2
        service.failing = None
        second = bench.answer(**words)
        assert (second.facts["failed"], service.asked) == (0, 4)  # only the one that was missing
        assert bench.answer(**words).reused and service.asked == 4


def test_a_search_that_was_not_reached_is_not_an_empty_one(bench):
    with FakeEndpoint(failing=Failing(1.0, status(400))) as service:
        version = bench.answer(model="endpoint", endpoint=service.words(), steps=["rewrite", "retrieve", "answer"])
    assert {row["documents"] for row in rows(version).values()} == {None} and version.facts["failed"] == 3
    assert "cost" not in version.facts and "milliseconds_p50" not in version.facts
    assert bench.shelf.asked == []


def test_questions_beyond_the_cost_cap_are_not_asked(bench):
    with FakeEndpoint(answer=lambda messages: "Runa") as service:
        capped = service.words(price_out=1_000.0, max_tokens=10, most_cost=0.011, at_once=1)
        version = bench.answer(model="endpoint", endpoint=capped)
    assert service.asked < 3 and "cost cap" in version.facts["first_error"]


def test_a_key_that_is_not_set_stops_the_run(bench):
    with FakeEndpoint() as service, pytest.raises(ChatError, match="SERVICE_KEY is not set"):
        bench.answer(model="endpoint", endpoint=service.words(key="SERVICE_KEY"), secrets=lambda name: None)


def test_a_part_that_is_missing_is_named(bench):
    with pytest.raises(EvaluationError, match="candidate mine has no base model; materialize that asset first"):
        bench.answer(model="base")
    with pytest.raises(EvaluationError, match="candidate mine has no index"):
        bench.answer(model="none", parts=Parts())


def test_an_empty_evaluation_set_is_refused(bench):
    nobody = bench.questions().table().slice(0, 0)
    empty = bench.lake.once("eval_questions", code="0", config=0, parents=[], write=lambda d: d.table("eval_questions", nobody))
    with pytest.raises(EvaluationError, match="eval_questions has no question to ask"):
        answer(bench.lake, settled_candidate(model="none"), empty, bench.parts(), ANSWERS, Embeddings(), project=PROJECT)


def test_a_prompt_without_a_place_for_passages_is_refused_where_some_are_found():
    with pytest.raises(EvaluationError, match="no_context.yaml has no place for passages"):
        Spec.of(settled_candidate(prompt="configs/prompts/no_context.yaml"), ANSWERS, PROJECT)


def test_a_checkpoint_of_other_base_weights_is_refused(pretended):
    pretended.trained_on = "2" * 64
    with pytest.raises(EvaluationError, match="trained on base weights 222222222222, the base model has e3b0c44298fc"):
        pretended.answer(model="tuned")


@pytest.mark.slow
def test_base_and_fine_tuned_answer_from_the_same_prompt_and_an_idle_adapter_changes_nothing(weights):
    base, tuned = rows(weights.answer(model="base")), rows(weights.answer(model="tuned"))
    weights.adapter = "idle"
    idle = rows(weights.answer(model="tuned"))
    assert [row["prompt_digest"] for row in base.values()] == [row["prompt_digest"] for row in tuned.values()]
    assert base == idle and [row["answer"] for row in base.values()] != [row["answer"] for row in tuned.values()]


@pytest.mark.slow
def test_a_whole_model_from_training_answers_without_its_base(weights, tmp_path):
    from .tiny_models import tiny_llama

    tiny_llama(tmp_path / "trained" / "model", first="a", silent=True)
    (tmp_path / "trained" / "base").symlink_to(weights.tiny / "base")
    weights.tiny, weights.adapter = tmp_path / "trained", "model"
    version = weights.answer(model="tuned")
    assert {row["answer"] for row in rows(version).values()} == {"aaaaaa"}
    trained = (tmp_path / "trained" / "model" / "model.safetensors").stat().st_size
    assert version.facts["megabytes"] == pytest.approx(trained / 1e6, abs=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["merged", "int8"])
def test_a_compressed_model_answers_alone_and_almost_like_the_original(weights, how):
    from llmops_pipelines.lifecycle.training.compression import compress

    parts = weights.parts()
    compressed = compress(weights.lake, parts.base, parts.checkpoint, how, how)
    original = rows(weights.answer(model="tuned"))
    version = weights.answer(
        model="tuned", compression=how, parts=replace(parts, base=None, checkpoint=None, compressed=compressed)
    )
    same = [row["answer"] == original[key]["answer"] for key, row in rows(version).items()]
    assert all(same) if how == "merged" else any(same)
    assert version.facts["megabytes"] == compressed.facts["megabytes"]


@pytest.mark.slow
def test_only_prompts_that_changed_are_generated_and_times_alone_are_measured_once(weights, monkeypatch):
    from llmops_pipelines.lifecycle.evaluation.generation import Generator

    first = weights.answer(model="base")
    assert (first.facts["generated"], first.facts["reused"]) == (3, 0)
    timings = first.table("timings").to_pylist()
    assert all(row["tokens_in"] > 20 and row["tokens_out"] >= 1 for row in timings if row["step"] == "answer")
    monkeypatch.setattr(Generator, "open", lambda *_: pytest.fail("the model was loaded although every answer is known"))
    weights.sequence = 2
    second = weights.answer(model="base")
    assert (second.reused, second.facts["generated"], second.facts["reused"]) == (False, 0, 3)
    assert len([row for row in second.table("timings").to_pylist() if row["step"] == ALONE]) == 3
    assert second.digest == first.digest  # nothing changed for those who read the answers


AGAIN = """
import sys
from pathlib import Path
from llmops_pipelines.config.pipeline import Answers, Embeddings
from llmops_pipelines.lifecycle.evaluation import answer
from llmops_pipelines.lifecycle.evaluation.candidates import Parts
from llmops_pipelines.lifecycle.lake import Lake
from llmops_pipelines_tests.lifecycle.evaluation.asking import ANSWERS, PROJECT, settled_candidate

lake = Lake(Path(sys.argv[1]), "demo")
questions, index, settings = (lake.versions(name)[0] for name in ("eval_questions", "index", "retrieval_settings"))
said = answer(
    lake, settled_candidate(model="none"), questions, Parts(index, settings), ANSWERS, Embeddings(), project=PROJECT
)
print(said.reused, sorted({"torch", "transformers", "ragas", "numpy", "pyarrow", "httpx"} & sys.modules.keys()))
"""


def test_unchanged_input_loads_no_heavy_library(bench):
    bench.answer(model="none")
    done = subprocess.run([sys.executable, "-c", AGAIN, str(bench.lake.root)], capture_output=True, text=True, check=False)
    assert done.stdout == "True []\n", done.stderr


def test_a_spec_answers_as_its_candidate_does_and_nobody_waits_for_timings(bench):
    whole = bench.answer(model="none", name="extractive")
    how, asked, doors = Spec.read(whole.json("candidate")), bench.questions(), (None, None, PROJECT, bench.shelf)
    bare = answer_as(bench.lake, how, asked, bench.parts(), Embeddings(), *doors, timed=False)
    assert rows(bare) == rows(whole)
    assert {row["step"] for row in bare.table("timings").to_pylist()} == {"retrieve", "answer"}  # none was asked by itself
    assert answer_as(bench.lake, how, asked, bench.parts(), Embeddings(), *doors).fingerprint == whole.fingerprint


def test_a_model_that_is_loaded_already_is_asked_instead_of_another_one(bench, pretended):
    how, parrot = spec_of(), Parrot(lambda request: "Runa")
    doors = (None, None, PROJECT, bench.shelf)
    said = answer_as(bench.lake, how, bench.questions(), bench.parts(), Embeddings(), *doors, parrot, timed=False)
    assert {row["answer"] for row in rows(said).values()} == {"Runa"} and len(parrot.asked) == len(QUESTIONS)
