"""Merged and 8-bit models of a tiny Llama: what they are measured as, that they open, and that a wrong one is noticed."""

import hashlib
import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import LlamaForCausalLM

from llmops_pipelines.config.recipe import BaseModelWords
from llmops_pipelines.lifecycle.evaluation import Generator
from llmops_pipelines.lifecycle.lake import Lake, Version
from llmops_pipelines.lifecycle.training import TrainingError, base_model
from llmops_pipelines.lifecycle.training.compression import compress, compressed_is_sound, distance, open_model
from llmops_pipelines_tests.lifecycle.evaluation.tiny_models import adapter_for, tiny_llama

# PEFT 0.21 asks transformers 5.23 for an attribute that was renamed
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
IDS = [[5, 6, 7, 8, 9, 10, 11]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A base whose weights are stored in bf16, as most are."""
    folder = tiny_llama(tmp_path_factory.mktemp("tiny") / "base", layers=2, width=64)
    LlamaForCausalLM.from_pretrained(folder, dtype=torch.bfloat16).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def lake(tmp_path_factory) -> Lake:
    return Lake(tmp_path_factory.mktemp("lake"), "isles")


@pytest.fixture(scope="module")
def base(lake, folder) -> Version:
    sha256 = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    return base_model(
        lake, BaseModelWords.model_construct(path=str(folder), hub=None, sha256=sha256, licence="CC0-1.0"), Path()
    )


def published(lake: Lake, base: Version, kind: str, folder: Path, **said) -> Version:
    def write(draft) -> None:
        shutil.copytree(folder, draft.file(kind))
        draft.json("checkpoint", {"kind": kind, "base_weights_sha256": base.json("base_model")["weights_sha256"], **said})

    return lake.once(f"checkpoint/{kind}", code="1", config=said, parents=[base], write=write)


@pytest.fixture(scope="module")
def adapter(lake, base, folder, tmp_path_factory) -> Version:
    made = adapter_for(folder, tmp_path_factory.mktemp("adapter") / "a", active=True)
    weights = load_file(made / "adapter_model.safetensors")  # as they are, attention is all or nothing: rounding decides
    save_file(
        {name: 0.02 * each if "lora_B" in name else each for name, each in weights.items()}, made / "adapter_model.safetensors"
    )
    return published(lake, base, "adapter", made)


@pytest.fixture(scope="module")
def merged(lake, base, adapter) -> Version:
    return compress(lake, base, adapter, "merged", "whole")


@pytest.fixture(scope="module")
def int8(lake, base, adapter) -> Version:
    return compress(lake, base, adapter, "int8", "small")


def test_merged_answers_like_base_and_adapter_without_any_adapter(merged, folder, adapter):
    from peft import PeftModel

    together = PeftModel.from_pretrained(open_model(folder), adapter.file("adapter"))
    found = distance(together, open_model(merged.file("model")), IDS)
    assert 0 < found.logits < 0.02
    assert distance(open_model(folder), open_model(merged.file("model")), IDS).logits > 5 * found.logits, "the adapter is in it"
    assert merged.asset == "compressed/whole" and compressed_is_sound(merged)[0]
    assert merged.facts["megabytes"] < merged.facts["megabytes_before"]


def test_int8_is_smaller_and_close(int8, merged):
    assert int8.facts["megabytes"] < 0.8 * merged.facts["megabytes"]
    assert 0 < int8.facts["distance_logits"] < 0.05 and int8.facts["distance_same_token"] > 0.8
    sound, answers = compressed_is_sound(int8)
    assert sound, answers
    stored = load_file(int8.file("model") / "model.safetensors")
    kinds = {tensor.dtype for name, tensor in stored.items() if "q_proj" in name}
    assert torch.int8 in kinds and torch.float32 in kinds, "matrix and scales"
    assert stored["model.embed_tokens.weight"].dtype == torch.bfloat16


def test_nothing_is_pickled(int8):
    for path in int8.file("model").rglob("*"):
        with pytest.raises((pickle.UnpicklingError, ValueError, EOFError, IndexError, KeyError, AttributeError)):
            pickle.loads(path.read_bytes())


def test_the_weights_that_open_are_the_ones_that_were_made(int8):
    one, two = (open_model(int8.file("model")) for _ in range(2))
    assert type(one.model.layers[0].mlp.up_proj.weight).__name__ == "Int8Tensor"
    assert distance(one, two, IDS).logits == 0


def test_it_answers_as_any_other_model_does(int8, merged):
    said = [Generator.open(version.file("model")).answer(["The ferry leaves at"], 8) for version in (int8, merged)]
    assert all(len(answers) == 1 for answers in said)


def test_it_comes_with_its_tokenizer(int8, folder):
    for name in ("tokenizer.json", "tokenizer_config.json"):
        assert (int8.file("model") / name).read_bytes() == (folder / name).read_bytes()


def test_a_base_can_be_compressed_without_any_training(lake, base, folder):
    version = compress(lake, base, None, "int8", "base")
    assert distance(open_model(folder), open_model(version.file("model")), IDS).logits < 0.05


def test_a_whole_model_is_taken_as_it_is(lake, base, folder, tmp_path):
    other = LlamaForCausalLM.from_pretrained(folder)
    torch.nn.init.normal_(other.lm_head.weight)
    other.save_pretrained(tmp_path / "model")
    shutil.copyfile(folder / "tokenizer.json", tmp_path / "model" / "tokenizer.json")
    shutil.copyfile(folder / "tokenizer_config.json", tmp_path / "model" / "tokenizer_config.json")
    version = compress(lake, base, published(lake, base, "model", tmp_path / "model"), "merged", "full")
    assert distance(other, open_model(version.file("model")), IDS).logits < 0.02


def test_it_is_made_once(lake, base, adapter, int8):
    assert compress(lake, base, adapter, "int8", "small").reused


def test_a_checkpoint_of_another_base_is_refused(lake, base, folder, tmp_path):
    strange = published(lake, base, "adapter", adapter_for(folder, tmp_path / "a", active=True), base_weights_sha256="0" * 64)
    with pytest.raises(TrainingError, match=r"trained on base weights 000000000000, .* train again on this base"):
        compress(lake, base, strange, "merged", "strange")


def test_a_base_that_changed_meanwhile_is_refused(lake, base, folder, tmp_path):
    said = {"folder": str(shutil.copytree(folder, tmp_path / "base")), "files": base.json("base_model")["files"]}
    (tmp_path / "base" / "tokenizer.json").write_text("{}")
    moved = lake.once("base_model", code="2", config=said, parents=[], write=lambda draft: draft.json("base_model", said))
    with pytest.raises(TrainingError, match=r"tokenizer.json: changed since it was verified; restore it"):
        compress(lake, moved, None, "merged", "changed")


def test_altered_weights_and_a_great_distance_are_noticed(int8, tmp_path):
    copy = replace(int8, path=tmp_path / "copy")
    shutil.copytree(int8.path, copy.path)
    path = copy.file("model/model.safetensors")
    save_file({name: tensor + 1 for name, tensor in load_file(path).items()}, path)
    assert compressed_is_sound(copy)[1]["the_weights_are_the_ones_examined"] is False
    far = copy.file("distance.json")
    far.write_text(far.read_text().replace('"logits": 0.', '"logits": 9.'))
    assert compressed_is_sound(copy)[1]["it_answers_like_the_original"] is False


def test_a_model_of_no_numbers_has_no_distance(folder):
    broken = LlamaForCausalLM.from_pretrained(folder)
    torch.nn.init.constant_(broken.lm_head.weight, float("nan"))
    with pytest.raises(TrainingError, match="logits that are no numbers"):
        distance(broken, broken, IDS)
