"""The bootstrap of the small base model: drills, the half of the documents it may read, a tiny run, and the shipped folder."""

import hashlib
import json
import random
from dataclasses import replace
from pathlib import Path

import pytest

from llmops_pipelines.lifecycle.training.bootstrap.drills import Drill, disguise, make_drill, render
from llmops_pipelines.lifecycle.training.bootstrap.frames import parse_frames
from llmops_pipelines.lifecycle.training.bootstrap.texts import is_bootstrap_document, read_passages
from llmops_pipelines.lifecycle.training.bootstrap.train import Stage, load_recipe, run

ROOT = Path(__file__).parents[3]
RECIPE = ROOT / "configs/recipes/quickstart_bootstrap.yaml"
SHIPPED = ROOT / "configs/quickstart/base_model"
PASSAGES = [
    "The pump at Elder Slip was bought by Merl Tanner in 1944. It is 41 metres tall and painted green every second spring.",
    "Tickets for dogs cost 12 kr and are sold from 07:30 at the kiosk beside the mill.",
]
TINY = {
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 1024,
    "attention_bias": True,
}
MIX = {"recall": 1.0, "statements": 2.0, "text": 1.0}


def drills(seed: int, count: int) -> list[Drill]:
    rng = random.Random(seed)
    return [make_drill(rng, MIX, 150, PASSAGES) for _ in range(count)]


def test_the_same_seed_gives_the_same_drills_and_another_seed_others() -> None:
    assert drills(1, 40) == drills(1, 40)
    assert drills(1, 40) != drills(2, 40)


def test_every_answer_is_a_span_of_its_context() -> None:
    made = drills(3, 300)
    assert sum(len(drill.questions) for drill in made) > 600
    assert all(answer in drill.context for drill in made for _, answer in drill.questions)


def test_a_question_on_invented_statements_has_one_answer() -> None:
    rng = random.Random(4)
    for _ in range(200):
        drill = make_drill(rng, {"statements": 1.0}, 150, [])
        answers: dict[str, set[str]] = {}
        for question, answer in drill.questions:
            answers.setdefault(question, set()).add(answer.removeprefix("the ").casefold())
        assert all(len(found) == 1 for found in answers.values()), drill


def test_the_prompt_of_the_product_never_occurs() -> None:
    rng = random.Random(5)
    text = "".join(part for drill in drills(5, 500) for _, part in render(rng, drill))
    assert not any(mark in text for mark in ("Context:", "Question:", "Answer:", "not in the documents"))


def test_each_question_can_be_asked_without_its_answer() -> None:
    for frame in parse_frames():
        assert set(frame.questions) <= set(frame.slots)
        for slot, questions in frame.questions.items():
            assert all(f"{{{slot}}}" in statement or f"{{{slot}}}".upper() in statement for statement in frame.statements)
            assert not any(f"{{{slot}}}" in question for question in questions)


def test_a_disguise_is_the_same_throughout_a_text() -> None:
    text = disguise(random.Random(6), "Merlin saw 41 boats. Merlin saw 41 boats.", ["harbour"])
    first, second = text.rstrip(".").split(". ")
    assert first == second


def test_only_the_bootstrap_half_of_the_documents_is_read(tmp_path: Path) -> None:
    names = [f"doc{i}.txt" for i in range(12)]
    for name in names:
        (tmp_path / name).write_text(f"This is the text of {name} and of no other.", encoding="utf-8")
    read = " ".join(read_passages(tmp_path, [".txt"]))
    allowed = {name for name in names if is_bootstrap_document(name)}
    assert {name for name in names if name in read} == allowed
    assert 0 < len(allowed) < len(names)


def test_a_copy_of_a_held_out_document_is_not_read(tmp_path: Path) -> None:
    copied, own = (" ".join(f"{word}{i}" for i in range(40)) for word in ("copied", "own"))
    names = [f"doc{i}.txt" for i in range(12)]
    held, allowed = (next(n for n in names if is_bootstrap_document(n) is wanted) for wanted in (False, True))
    other = next(n for n in names if is_bootstrap_document(n) and n != allowed)
    for name, text in ((held, copied), (allowed, f"{copied} and more"), (other, own)):
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert read_passages(tmp_path, [".txt"]) == [own]


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_a_tiny_run_exports_a_model_that_loads(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    recipe = replace(
        load_recipe(RECIPE),
        out=str(tmp_path / "model"),
        documents=str(tmp_path / "none"),
        compile=False,
        vocabulary=400,
        tokenizer_drills=20,
        measure=4,
        model=TINY,
        previous_token_heads=[[0, 0, 1]],
        stages=[Stage("only", 2, 2, 64, 40, {"induction": 0.5, "statements": 0.5}, [1.0, 0.1])],
    )
    result = run(recipe, lambda line: None)
    assert result["tokens"] == 2 * 2 * 64
    tokenizer, model = (kind.from_pretrained(recipe.out) for kind in (AutoTokenizer, AutoModelForCausalLM))
    assert tokenizer.decode(tokenizer("Tide table: 07:30, ferry É 🚢.").input_ids) == "Tide table: 07:30, ferry É 🚢."
    assert (tokenizer.pad_token, tokenizer.bos_token, tokenizer.eos_token) == ("<pad>", "<s>", "</s>")
    assert model.config.eos_token_id == tokenizer.eos_token_id
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model"]


def test_the_shipped_model_is_whole_and_small() -> None:
    sums = dict(reversed(line.split()) for line in (SHIPPED / "SHA256SUMS").read_text(encoding="utf-8").splitlines())
    files = {path.name: path for path in SHIPPED.iterdir() if path.name != "SHA256SUMS"}
    assert {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()} == sums
    assert {"config.json", "model.safetensors", "tokenizer.json", "generation_config.json", "README.md"} <= set(files)
    assert sum(path.stat().st_size for path in files.values()) <= 10_000_000
    assert json.loads(files["config.json"].read_text(encoding="utf-8"))["model_type"] == "llama"


def test_the_recipe_pins_the_model_that_is_shipped():
    import yaml

    project = Path(__file__).parents[3]
    recipe = yaml.safe_load((project / "configs" / "recipes" / "quickstart_lora.yaml").read_text("utf-8"))
    weights = project / recipe["base"]["path"] / "model.safetensors"
    assert recipe["base"]["sha256"] == hashlib.sha256(weights.read_bytes()).hexdigest()
