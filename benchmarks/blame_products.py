"""The two products that blame is tried on: `articles` answers without a model from about 200 documents, `handbook` is the
quickstart with a short fine-tuning. How they run is `blame_world.py`.
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from blame_world import HELD_OUT, READABLE, World, by_hash, read_lines, write_lines

from llmops_pipelines.lifecycle.datasets.splits import side
from llmops_pipelines.lifecycle.evaluation.extractive import extract
from llmops_pipelines.lifecycle.evaluation.text_metrics import best, token_f1

REPOSITORY = Path(__file__).resolve().parents[1]
LENIENT = {"minimum": 0.0, "minimum_hit_at_5": 0.0, "not_worse_than_champion_by": 1.0, "coverage": 0.5, "base_models": "any"}
PER_DOCUMENT = 3  # questions
STEPS = 60  # of the fine-tuning of `handbook`


@dataclass(frozen=True)
class Data:
    """Passages with questions about them, as `--data` names them: passages.jsonl and questions.jsonl."""

    folder: Path

    @cached_property
    def passages(self) -> list[dict[str, Any]]:
        return read_lines(self.folder / "passages.jsonl")

    @cached_property
    def questions(self) -> list[dict[str, Any]]:
        return [row for row in read_lines(self.folder / "questions.jsonl") if row["answers"]]

    def documents(self) -> Iterator[tuple[str, str, list[dict[str, Any]]]]:
        """(file name, heading, passages): two neighbouring passages of an article as the sections of one document."""
        titles = dict.fromkeys(passage["title"] for passage in self.passages)
        for title in titles:
            rows = [passage for passage in self.passages if passage["title"] == title]
            for at in range(0, len(rows), 2):
                yield f"{title}/{at // 2:02}.md", title.replace("_", " "), rows[at : at + 2]

    def readable(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """(file name, question) that rules can answer from the right passage, at most three per document: a good product."""
        for file, title, sections in self.documents():
            texts, count = {row["id"]: row["text"] for row in sections}, 0
            asked = {row["id"]: row for row in self.questions if row["passage_id"] in texts}
            for row in map(asked.get, by_hash(list(asked))):
                said = extract(row["question"], [texts[row["passage_id"]]], [title]) or ""
                if best(token_f1, said, row["answers"]) >= READABLE and count < PER_DOCUMENT:
                    count += 1
                    yield file, row


def make(name: str, folder: Path, data: Data) -> World:
    """The world's project, with no fault in it and nothing run yet."""
    world = World(name, folder, data)
    configs = world.project / "configs"
    for part in ("prompts", "deepspeed", "recipes", "quickstart", "catalogue.yaml"):
        source, target = REPOSITORY / "configs" / part, configs / part
        target.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if source.is_dir() else shutil.copy)(source, target)
    shutil.copy(configs / "recipes" / "quickstart_lora.yaml", configs / "recipes" / "short.yaml")
    world.file.parent.mkdir(parents=True)
    said = _articles(world, data) if name == "articles" else _handbook(world)
    world.file.write_text(yaml.safe_dump(said, sort_keys=False), "utf-8")
    return world


def _articles(world: World, data: Data) -> dict[str, Any]:
    for file, title, sections in data.documents():
        target = world.documents / file
        target.parent.mkdir(parents=True, exist_ok=True)
        parts = [f"## Section {number}\n\n{row['text']}\n" for number, row in enumerate(sections, 1)]
        target.write_text("\n".join([f"# {title}\n", *parts]), "utf-8")
    write_lines(world.questions, list(_asked(data)))
    # Next to nothing is learnt here, from seven documents, so that the graph has all its parts.
    world.recipe(lambda words: words.update(ranks=1, batch_size=4, warmup=0.0, budget={"steps": 6}))
    learnt = {"path": "configs/quickstart/documents/fleet", "include": ["*.md"], "licence": "Apache-2.0"}
    read = {"path": "documents", "include": ["**/*.md"], "licence": "CC-BY-SA-4.0", "language": "en", "consent": "search"}
    return {
        "description": "Answers questions about ten encyclopedia articles.",
        "owner": "team:benchmarks",
        "documents": [{"name": "articles", **read}, {"name": "fleet", **learnt, "language": "en"}],
        "cleaning": {"near_duplicates": {"similarity": 0.9}},
        "chunks": {"tokens": 64},
        "embeddings": {"precision": "bf16"},
        "retrieval": {"method": "tuned"},
        "questions": {"path": "configs/articles/questions.jsonl", "held_out": HELD_OUT},
        "training": {"recipe": "configs/recipes/short.yaml", "pairs_per_document": 4},
        "answers": {"passages": 1, "max_new_tokens": 2},
        "candidates": [{"name": "reader", "model": "none", "passages": 3}],
        "gate": {"candidate": "reader", "metric": "token_f1", **LENIENT},
    }


def _asked(data: Data) -> Iterator[dict[str, Any]]:
    """Every question names the right document; every third one also a second of its article on the same side of the split,
    as people do, so that it is still asked when the right one is gone."""
    files = [f"articles/{file}" for file, _, _ in data.documents()]
    for number, (file, row) in enumerate(data.readable()):
        right = f"articles/{file}"
        article, place = right.rsplit("/", 1)[0], side(right, HELD_OUT)
        others = [name for name in files if name != right and name.startswith(f"{article}/") and side(name, HELD_OUT) == place]
        named = [right, *(others[:1] if number % 3 == 0 else [])]
        said = {"id": row["id"], "question": row["question"], "answers": row["answers"], "documents": named}
        yield said | {"answerable": True}


def _handbook(world: World) -> dict[str, Any]:
    said = yaml.safe_load((REPOSITORY / "configs" / "pipelines" / "quickstart.yaml").read_text("utf-8"))
    files = sorted((world.project / "configs" / "quickstart" / "questions").glob("*.jsonl"))
    write_lines(world.questions, [row for file in files for row in read_lines(file)])
    shutil.copy(world.project / "configs" / "prompts" / "product.yaml", world.project / "configs" / "prompts" / "ours.yaml")
    base = str(REPOSITORY / "configs" / "quickstart" / "base_model")  # a home remembers where it lies
    world.recipe(lambda words: words.update(budget={"steps": STEPS}, base=words["base"] | {"path": base}))
    said["questions"]["path"] = "configs/handbook/questions.jsonl"
    said["training"] = {"recipe": "configs/recipes/short.yaml", "pairs_per_document": 2}
    said["embeddings"] = {"precision": "bf16"}
    said["candidates"] = [{"name": "ours", "model": "tuned", "prompt": "configs/prompts/ours.yaml"}]
    said["gate"] = {"candidate": "ours", "metric": "token_f1", **LENIENT}
    return said
