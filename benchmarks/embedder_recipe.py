"""Does tuning the embedding model raise MRR@10 on articles that it was never trained on? SQuAD, two halves of its articles.

Run: python benchmarks/embedder_recipe.py --data FOLDER. Takes minutes per half on two cores: each tunes the pinned MiniLM on
one half and asks the questions of the other among all passages, before and after. Ends with 1 when the
interval of both together does not exclude zero.
"""

import argparse
import json
import os
import subprocess
import tempfile
import time
from itertools import count
from pathlib import Path

import numpy as np
import pyarrow as pa
import yaml

from llmops_pipelines.config.embedder_recipe import EmbedderRecipe
from llmops_pipelines.config.pipeline import Embeddings
from llmops_pipelines.lifecycle.index import Embedder
from llmops_pipelines.lifecycle.lake import Draft, Lake, Version
from llmops_pipelines.lifecycle.lake.digests import text_digest
from llmops_pipelines.lifecycle.training.contrastive import hard_negatives, tune_embedder
from llmops_pipelines.lifecycle.training.contrastive.measuring import Difference, compared
from llmops_pipelines.lifecycle.training.contrastive.pairs import on_measured_side

RECIPE = Path(__file__).parents[1] / "configs" / "recipes" / "quickstart_embedder.yaml"


def half(title: str, number: int, measured: bool, share: float) -> str:
    """A name for an article that the recipe puts on the wanted side."""
    names = (f"{title}#{number}.{n}" for n in count())
    return next(name for name in names if on_measured_side(name, share) == measured)


def squad(lake: Lake, data: Path, fold: int, share: float) -> Version:
    """The answerable questions as an embedder_pairs version; every second article is measured on, the others in fold 1."""
    passages = [json.loads(line) for line in (data / "passages.jsonl").read_text("utf-8").splitlines()]
    asked = [json.loads(line) for line in (data / "questions.jsonl").read_text("utf-8").splitlines()]
    asked = [row for row in asked if row["answers"]]
    titles = sorted({row["title"] for row in passages})
    names = {title: half(title, fold, place % 2 == fold, share) for place, title in enumerate(titles)}
    cluster = {row["id"]: names[row["title"]] for row in passages}
    texts = [f"{row['title'].replace('_', ' ')}\n{row['text']}" for row in passages]

    def write(draft: Draft) -> None:
        chunks = [row["passage_id"] for row in asked]
        asks = {"pair_id": [row["id"] for row in asked], "question": [row["question"] for row in asked]}
        pairs = {**asks, "answer": [row["answers"][0] for row in asked], "chunk_id": chunks}
        pairs |= {"cluster": [cluster[name] for name in chunks], "origin": ["question"] * len(asked)}
        draft.table("embedder_pairs", pa.table(pairs))
        ids = [row["id"] for row in passages]
        found = {
            "chunk_id": ids,
            "cluster": [cluster[name] for name in ids],
            "text_hash": [text_digest(text) for text in texts],
        }
        draft.table("passages", pa.table({**found, "text": texts}))

    return lake.once("embedder_pairs", code="squad", config=[fold, share], parents=[], write=write)


def nearest(pairs: Version, embeddings: Embeddings):
    """Exact search over the passages: what the index would find."""
    rows = pairs.table("passages").to_pylist()
    embedder = Embedder.open(embeddings)
    vectors = embedder.embed([row["text"] for row in rows])

    def search(questions, k):
        best = np.argsort(-(embedder.embed(list(questions)) @ vectors.T), axis=1, kind="stable")[:, :k]
        return [[rows[place]["chunk_id"] for place in line] for line in best]

    return search


def run(command: list[str], variables: dict[str, str]) -> None:
    subprocess.run(command, env={**os.environ, **variables}, check=True)


def tuned(home: Path, data: Path, fold: int, recipe: EmbedderRecipe) -> Version:
    lake = Lake(home / "lake", "squad")
    pairs, negatives = squad(lake, data, fold, recipe.held_out), None
    if recipe.negatives.per_pair:
        negatives = hard_negatives(lake, pairs, [], nearest(pairs, Embeddings()), recipe.negatives)
    return tune_embedder(lake, pairs, negatives, Embeddings(), recipe, home, run)


def ranked(home: Path, data: Path, fold: int, recipe: EmbedderRecipe, version: Version) -> tuple[np.ndarray, ...]:
    """Ranks before and after, and a number for the passage of each question, of one fold."""
    rows = squad(Lake(home / "lake", "squad"), data, fold, recipe.held_out).table("embedder_pairs").to_pylist()
    gold = {row["pair_id"]: row["chunk_id"] for row in rows}
    number = {name: place for place, name in enumerate(sorted(set(gold.values())))}
    found = version.table("ranks").to_pylist()
    columns = [np.array([row[name] for row in found]) for name in ("before", "after")]
    return *columns, np.array([number[gold[row["pair_id"]]] for row in found])


def shown(name: str, pairs: int, found: Difference, seconds: float) -> None:
    gain = f"{found.after - found.before:+.4f} [{found.low:+.4f}, {found.high:+.4f}]"
    print(
        f"| {name} | {pairs} | {found.questions} | {found.before:.4f} | {found.after:.4f} | {gain} | {seconds:.0f} |",
        flush=True,
    )


def settings(changes: list[str]) -> EmbedderRecipe:
    said = yaml.safe_load("\n".join(word.replace("=", ": ", 1) for word in changes)) or {}
    return EmbedderRecipe.model_validate(yaml.safe_load(RECIPE.read_text("utf-8")) | said)


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--data", type=Path, required=True, help="folder of passages.jsonl and questions.jsonl (SQuAD)")
    words.add_argument("--set", nargs="*", default=[], metavar="WORD=VALUE", help="other settings than those of the recipe")
    words.add_argument("--home", type=Path, help="folder to keep what was tuned; the same command then goes on")
    given = words.parse_args()
    if not (given.data / "passages.jsonl").is_file():
        raise SystemExit(f"--data: {given.data} has no passages.jsonl; name the folder that holds it and questions.jsonl")
    recipe = settings(given.set)
    print("| measured on | pairs learnt from | questions | MRR@10 before | after | difference, 95 % | seconds |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as temporary:
        home, folds, pairs, all_seconds = given.home or Path(temporary), [], 0, 0.0
        for fold in (0, 1):
            started = time.perf_counter()
            version = tuned(home, given.data, fold, recipe)
            seconds = time.perf_counter() - started
            folds.append(ranked(home, given.data, fold, recipe, version))
            passages = version.facts["passages"]
            shown(("every second article", "the others")[fold], version.facts["pairs"], compared(*folds[-1], passages), seconds)
            pairs, all_seconds = pairs + version.facts["pairs"], all_seconds + seconds
        both = compared(*(np.concatenate(columns) for columns in zip(*folds, strict=True)), passages)
        shown("both", pairs, both, all_seconds)
    if not both.better:
        raise SystemExit("the interval of the difference does not exclude zero")


if __name__ == "__main__":
    main()
