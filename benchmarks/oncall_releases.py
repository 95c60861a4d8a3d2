"""The releases of the large lake of `oncall_lake.py`: what is trained and measured for each, and its record by the gate."""

import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count as counting
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from oncall_answers import Answers, report
from oncall_corpus import EMBEDDER, RECIPE, doc_id_of, is_broken, is_copy, source_of, value

from llmops_pipelines.config.candidates import ladder
from llmops_pipelines.config.catalogue import load_catalogue
from llmops_pipelines.config.loader import load_recipe
from llmops_pipelines.lifecycle.datasets import examples
from llmops_pipelines.lifecycle.datasets.prompts import PRODUCT
from llmops_pipelines.lifecycle.datasets.splits import side
from llmops_pipelines.lifecycle.evaluation import answers as answering
from llmops_pipelines.lifecycle.evaluation import comparison
from llmops_pipelines.lifecycle.evaluation.candidates import Parts, Spec
from llmops_pipelines.lifecycle.evaluation.chain import codes
from llmops_pipelines.lifecycle.evaluation.scores import CODE as SCORES
from llmops_pipelines.lifecycle.lake import Draft, Version, digest
from llmops_pipelines.lifecycle.release import promotion
from llmops_pipelines.lifecycle.release.candidate import Candidate
from llmops_pipelines.lifecycle.release.moves import Moves
from llmops_pipelines.lifecycle.release.papers import write as write_papers
from llmops_pipelines.lifecycle.training import launch
from llmops_pipelines.lifecycle.training.settings import settings
from llmops_pipelines.lifecycle.training.weights import weights_digest

if TYPE_CHECKING:
    from oncall_lake import Maker

FIRST = datetime(2026, 1, 5, 8, tzinfo=UTC)  # of the first week


@dataclass(frozen=True)
class Released:
    """One release: what was trained and measured for it, and its record."""

    maker: "Maker"
    week: int
    epoch: int
    corpus: dict[str, Version]

    def write(self) -> None:
        if self.epoch in self.maker.history.epochs() and self.maker.history.record(self.epoch).phase == "committed":
            return
        self._record(Candidate(self._spec("fine_tuned_retrieval"), self._parts(), self._settings(), run="", purpose="A test"))

    def _settings(self) -> dict[str, Any]:
        return {name: getattr(self.maker.pipeline, name).model_dump(mode="json") for name in ("embeddings", "index")}

    def _spec(self, name: str) -> Spec:
        words = self.maker.pipeline
        wanted = next(each for each in ladder(words) if each.name == name)
        return Spec.of(wanted, words.answers, self.maker.project)

    def _parts(self) -> dict[str, Version]:
        made = dict(self.corpus)
        made["training_examples"] = self._examples()
        made["checkpoint"] = self._checkpoint(made["training_examples"])
        base, tuned = (self._measured(name, made) for name in ("retrieval", "fine_tuned_retrieval"))
        made["comparison"] = self._comparison(base, tuned)
        return made | {"answers": tuned[0], "eval_scores": tuned[1], "base_eval_scores": base[1]}

    def _examples(self) -> Version:
        """A tenth of the rows is new with each release."""
        few = max(1, self.maker.scale.examples // 10)

        def write(draft: Draft) -> None:
            found = (self._row(slot) for slot in range(self.epoch * few, self.epoch * few + 10 * few))
            rows = list({row.example_id: row for row in found}.values())
            draft.table("training_examples", examples.table_of(rows, ("prompt", "completion")))
            draft.facts |= {"examples": len(rows), "documents": len({each for row in rows for each in row.doc_ids})}
            draft.facts |= {"prompt": PRODUCT.digest[:12], "origin_measure": len(rows), "refusals": 0}

        config = {"draws": [self.epoch * few, 10 * few], "scale": vars(self.maker.scale)}
        parents = [self.corpus["documents"], self.corpus["chunks"]]
        return self.maker.once("training_examples", examples.CODE, config, parents, write)

    def _row(self, slot: int) -> examples.Example:
        """The row of a slot about a document that may be learnt from: the same row while the passage stays the same."""
        words = self.maker.words
        number = next(filter(_teaches, self._drawn(slot)))
        ordinal = slot * 7 % words.length(number)
        revision = words.revision(number, ordinal, self.week)
        text, answer = words.passage(number, ordinal, revision), value(number, ordinal, revision)
        question = f"Which form applies by rule {number}-{ordinal}?"
        prompt, completion = PRODUCT.render([text], question), PRODUCT.completion(answer)
        name = digest(["measure", prompt, completion])[:32]
        doc_id, none = doc_id_of(number), (None, None, None)
        return examples.Example(name, prompt, completion, question, [text], answer, [doc_id], doc_id, "measure", *none)

    def _drawn(self, slot: int) -> Iterator[int]:
        """Documents that exist, the same ones first in every week."""
        alive, draw = self.maker.words.weeks.alive(self.week), random.Random(slot)
        known = self.maker.scale.documents
        drawn = (draw.randrange(known) for _ in counting())
        yield from (number for number in drawn if alive[np.searchsorted(alive, number) % len(alive)] == number)

    def _checkpoint(self, rows: Version) -> Version:
        recipe = load_recipe(self.maker.project / RECIPE, self.maker.project)
        base, chosen = self.corpus["base_model"], settings(recipe.model_copy(update={"seed": self.epoch}), self.maker.project)

        def write(draft: Draft) -> None:
            from safetensors.numpy import save_file

            weights = {"lora_A": np.random.default_rng(self.epoch).normal(size=(16, 64)).astype(np.float32)}
            path = draft.file("adapter/adapter_model.safetensors")
            save_file(weights, path)
            draft.json("adapter/adapter_config", {"peft_type": "LORA", "r": 16})
            said = {"method": "lora", "kind": "adapter", "engine": "none", "steps": 186, "ended_by": "epochs"}
            said["base_weights_sha256"] = weights_digest(base.json("base_model")["files"])
            said |= {"base_digest": base.digest, "examples_digest": rows.digest, "recipe_digest": digest(chosen.identity)}
            draft.json("checkpoint", said)
            log = {"step": [1, 186], "loss": [4.6, 0.2], "learning_rate": [0.002, 0.0], "tokens_per_second": [2000.0, 2000.0]}
            log = pa.table(log | {"seconds": [1.0, 186.0], "tokens": [2000, 372_000]}, launch._log_schema())
            draft.table("training_log", log, data=False)
            draft.facts |= {"examples": rows.rows(), "steps": 186, "loss_last": 0.2, "method": "lora", "tokens": 372_000}

        return self.maker.once("checkpoint", launch.CODE, chosen.identity, [base, rows], write)

    def _measured(self, name: str, made: dict[str, Version]) -> tuple[Version, Version]:
        """(answers, eval_scores) of a candidate; those of the untuned one are the same all week."""
        spec, asked = self._spec(name), made["eval_questions"]
        parts = Parts(made["index"], made["retrieval_settings"], made["base_model"], made["checkpoint"])
        does = Answers(self.maker.questions, self.maker.scale, self.epoch if spec.model == "tuned" else 0, self.week)
        config = {"candidate": spec.identity, "codes": codes(spec), "attempt": 0}
        parents = [asked, *spec.parents(parts)]

        def answer(draft: Draft) -> None:
            does.write(draft, asked, self.maker.held.at(self.week))
            draft.json("candidate", spec.described())

        told = self.maker.once(f"answers/{name}", answering.CODE, config, parents, answer)
        measuring = {"refusal": spec.refusal, "embedder": {"sha256": EMBEDDER, "precision": "fp32"}, "attempt": 0}
        parents = [asked, told, made["documents"]]
        write = lambda draft: report(draft, asked, told, made["documents"], spec.refusal)  # noqa: E731
        return told, self.maker.once(f"eval_scores/{name}", SCORES, measuring, parents, write)

    def _comparison(self, *measured: tuple[Version, Version]) -> Version:
        scores = {each.asset.rpartition("/")[2]: each for _, each in measured}

        def write(draft: Draft) -> None:
            rows = []
            for name, version in scores.items():
                summary = version.json("summary")
                rows += [
                    {"candidate": name, "metric": metric, "megabytes": 7.2}
                    | {key: found[key] for key in ("mean", "low", "high", "coverage")}
                    for metric, found in summary.items()
                ]
            draft.table("candidates", pa.Table.from_pylist(rows))
            choice = {"metric": "token_f1", "best": "fine_tuned_retrieval", "chosen": "fine_tuned_retrieval"}
            draft.json("choice", choice | {"within_noise": ["fine_tuned_retrieval"], "why": "it has the best token_f1"})
            draft.facts |= {"metric": "token_f1", "candidates": len(scores), "chosen": "fine_tuned_retrieval"}

        config = {"metric": "token_f1", "coverage": 0.98, "failures": {}}
        parents = [each for pair in measured for each in pair]
        return self.maker.once("comparison", comparison.CODE, config, parents, write)

    def _record(self, candidate: Candidate) -> None:
        """What the gate would write, with the times of the made-up history."""
        maker, history = self.maker, self.maker.history
        moves = Moves(maker.lake, history, lambda: sys.exit("the large lake has no registry"))
        at = FIRST + timedelta(days=7 * self.week, hours=14 * ((self.epoch - 1) % maker.scale.releases_a_week))
        said = [(at + timedelta(minutes=minutes)).isoformat(timespec="seconds") for minutes in range(4)]
        if self.epoch not in history.epochs():
            actor, catalogue = f"Dagster run {digest(self.epoch)[:8]}", load_catalogue(maker.project)
            plan = promotion.planned(moves, candidate, maker.pipeline.gate, "production", catalogue, actor)
            if plan.verdict.outcome != "promote":
                raise SystemExit(f"release {self.epoch}: {plan.verdict.reasons}")
            history.append(replace(plan.release, prepared_at=said[0]))
        write_papers(history.record(self.epoch), history.folder / f"{self.epoch:06d}")
        history.mark(self.epoch, "alias set", at=said[1], model_version=str(self.epoch))
        history.mark(self.epoch, "verified", at=said[2])
        history.end(self.epoch, "committed", at=said[3], model_version=str(self.epoch))
        decision = {"outcome": "promoted", "reasons": [], "candidate": candidate.spec.name, "bundle": candidate.bundle}
        decision |= {"epoch": self.epoch, "model_version": str(self.epoch)}
        parents = list(candidate.parts.values())
        maker.once("release", promotion.CODE, decision, parents, lambda draft: draft.json("release", decision))


def _teaches(number: int) -> bool:
    if is_broken(number) or is_copy(number) or source_of(number) == "wiki":
        return False
    return side(doc_id_of(number), 0.5) == "train"
