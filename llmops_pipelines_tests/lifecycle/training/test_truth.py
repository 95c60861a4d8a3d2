"""The truth checks can say no: for each a bad control, made from a good adapter and a good model."""

import json
import subprocess
import sys

import pytest

from llmops_pipelines.lifecycle.training import truth

# Runs in a process of its own: torch and its warnings stay out of this one. `look` examines a folder; `memory` is what
# the training process would have computed with it.
SCRIPT = """
import json, shutil, sys
from pathlib import Path
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer, set_seed
from llmops_pipelines.lifecycle.training import truth

model, home, prompts = Path(sys.argv[1]), Path(sys.argv[2]), [[5, 6, 7], [9, 8]]
load = lambda folder: AutoModelForCausalLM.from_pretrained(folder or model)
set_seed(1)
learnt = get_peft_model(load(None), LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM"))
for name, weight in learnt.named_parameters():
    if "lora_B" in name:
        weight.data.normal_(std=0.1)
learnt.save_pretrained(home / "adapter")
full = load(None)
for weight in full.parameters():
    weight.data += 0.01 * torch.randn_like(weight)
full.save_pretrained(home / "model")
load(None).save_pretrained(home / "base")

def memory(kind, name):
    found = PeftModel.from_pretrained(load(None), home / name) if kind == "adapter" else load(home / name)
    return truth.probe(found, prompts, "cpu")

def variant(kind, name, change):
    shutil.copytree(home / kind, home / name)
    (file,) = (home / name).glob("*.safetensors")
    changed = {key: change(key, value) for key, value in load_file(file).items()}
    save_file({key: value.contiguous() for key, value in changed.items() if value is not None}, file, {"format": "pt"})

def look(kind, name, trained):
    return truth.examine(home / name, kind, load, trained, prompts, "fp32")

good = {kind: memory(kind, kind) for kind in ("adapter", "model")}
answers = {kind: {"good": look(kind, kind, good[kind])} for kind in good}
variant("adapter", "nothing", lambda key, value: value * 0 if "lora_B" in key else value)
answers["adapter"]["nothing"] = look("adapter", "nothing", memory("adapter", "nothing"))
answers["model"]["nothing"] = look("model", "base", memory("model", "base"))
first = {kind: next(iter(load_file(next((home / kind).glob("*.safetensors"))))) for kind in good}
for kind in good:
    variant(kind, f"{kind}-nan", lambda key, value: value * float("nan"))
    variant(kind, f"{kind}-empty", lambda key, value: value[:0] if key == first[kind] else value)
    variant(kind, f"{kind}-missing", lambda key, value: None if key == first[kind] else value)
    for harm in ("nan", "empty", "missing"):
        answers[kind][harm] = look(kind, f"{kind}-{harm}", good[kind])
answers["adapter"]["other"] = look("adapter", "nothing", good["adapter"])
answers["model"]["other"] = look("model", "base", good["model"])

spelled = []
for change in ("", "words", "template", "mark", "padding"):
    words = AutoTokenizer.from_pretrained(model)
    if change == "words":
        words.add_tokens(["ferry"])
    if change == "template":
        words.chat_template = "{{ messages }}"
    if change == "mark":
        words.eos_token = "<pad>"
    if change == "padding":
        words.pad_token = "<end>"
    spelled.append(truth.spelling(words))
print(json.dumps([answers, spelled]))
"""


@pytest.fixture(scope="module")
def told(tiny_model, tmp_path_factory):
    command = [sys.executable, "-W", "ignore", "-c", SCRIPT, str(tiny_model), str(tmp_path_factory.mktemp("truth"))]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


FINITE, GATHERED = "every_tensor_is_finite", "every_weight_was_gathered"
CHANGES, SAME = "training_changes_answers", "what_was_saved_answers_like_what_was_trained"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["adapter", "model"])
@pytest.mark.parametrize(
    ("variant", "wrong"),
    [
        ("good", set()),
        ("nothing", {CHANGES}),
        ("nan", {FINITE, CHANGES, SAME}),
        ("empty", {GATHERED, CHANGES, SAME}),
        ("missing", {GATHERED, CHANGES, SAME}),
        ("other", {CHANGES, SAME}),
    ],
)
def test_each_harm_is_found(told, kind, variant, wrong):
    answers = told[0][kind][variant]
    asked = (FINITE, GATHERED, CHANGES, SAME)
    assert set(asked) <= set(truth.ANSWERS)
    assert {name for name in asked if answers[name] is not True} == wrong, answers


@pytest.mark.slow
def test_a_tokenizer_that_changed_is_found_but_its_padding_does_not_count(told):
    same, words, template, mark, padding = told[1]
    assert len({same, words, template, mark}) == 4 and padding == same


def test_the_digest_of_a_model_covers_all_its_shards(tmp_path):
    for name, text in (("model-1-of-2.safetensors", b"a"), ("model-2-of-2.safetensors", b"b")):
        (tmp_path / name).write_bytes(text)
    before = truth.digest_of(tmp_path, "model")
    (tmp_path / "model-2-of-2.safetensors").write_bytes(b"c")
    assert truth.digest_of(tmp_path, "model") != before
