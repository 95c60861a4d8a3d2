"""The base model is the one that the recipe names, or training does not start."""

import json

import pytest

from llmops_pipelines.config.recipe import BaseModelWords
from llmops_pipelines.lifecycle.lake import Lake
from llmops_pipelines.lifecycle.training import TrainingError, base_model

from . import tiny


@pytest.fixture
def model(tmp_path):
    return tiny.fake_model(tmp_path / "model")


@pytest.fixture
def lake(tmp_path):
    return Lake(tmp_path / "lake", "tiny")


def test_a_verified_model_says_what_it_is(lake, model):
    found = base_model(lake, tiny.recipe(model).base, tiny.PROJECT)
    assert found.facts["parameters"] == 16 and found.facts["vocabulary"] == 7 and found.facts["licence"] == "CC0-1.0"
    details = found.json("base_model")
    assert details["folder"] == str(model) and set(details["files"]) == {"config.json", "tokenizer.json", "model.safetensors"}
    assert base_model(lake, tiny.recipe(model).base, tiny.PROJECT).reused


def test_the_same_files_elsewhere_are_the_same_base_model(lake, model, tmp_path):
    here = base_model(lake, tiny.recipe(model).base, tiny.PROJECT)
    there = base_model(lake, tiny.recipe(tiny.fake_model(tmp_path / "moved")).base, tiny.PROJECT)
    assert there.digest == here.digest and there.json("base_model")["folder"] != here.json("base_model")["folder"]
    (tmp_path / "moved" / "tokenizer.json").write_text('{"version": 2}')
    changed = base_model(lake, tiny.recipe(tmp_path / "moved").base, tiny.PROJECT)
    assert changed.digest != here.digest


def test_altered_weights_are_refused(lake, model):
    words = tiny.recipe(model).base
    data = bytearray((model / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (model / "model.safetensors").write_bytes(data)
    with pytest.raises(TrainingError, match=f"the recipe says {words.sha256}"):
        base_model(lake, words, tiny.PROJECT)


def test_pickled_weights_are_not_read(lake, model):
    words = tiny.recipe(model).base
    (model / "model.safetensors").rename(model / "pytorch_model.bin")
    with pytest.raises(TrainingError, match="only safetensors"):
        base_model(lake, words, tiny.PROJECT)


def test_a_model_that_brings_code_is_refused(lake, model):
    (model / "config.json").write_text(json.dumps({"auto_map": {"AutoModelForCausalLM": "evil.Model"}}))
    with pytest.raises(TrainingError, match="auto_map asks to run code"):
        base_model(lake, tiny.recipe(model).base, tiny.PROJECT)


def test_a_missing_tokenizer_or_folder_is_named(lake, model):
    words = tiny.recipe(model).base
    (model / "tokenizer.json").unlink()
    with pytest.raises(TrainingError, match=r"tokenizer\.json missing"):
        base_model(lake, words, tiny.PROJECT)
    with pytest.raises(TrainingError, match="is not a folder"):
        base_model(lake, words.model_copy(update={"path": "configs/nowhere"}), tiny.PROJECT)


@pytest.mark.parametrize("size", [2**63, 2**20])
def test_a_lying_safetensors_header_is_refused(lake, model, size):
    (model / "model.safetensors").write_bytes(size.to_bytes(8, "little") + b"{}")
    with pytest.raises(TrainingError, match="not a safetensors file"):
        base_model(lake, tiny.recipe(model).base, tiny.PROJECT)


def test_the_weights_of_several_shards_count_together(lake, model):
    (model / "model.safetensors").rename(model / "model-00001-of-00002.safetensors")
    (model / "model-00002-of-00002.safetensors").write_bytes((model / "model-00001-of-00002.safetensors").read_bytes())
    words = BaseModelWords(path=str(model), sha256="0" * 64, licence="x")
    with pytest.raises(TrainingError) as refusal:
        base_model(lake, words, tiny.PROJECT)
    actual = str(refusal.value).split("sha256 ")[1][:64]
    found = base_model(lake, words.model_copy(update={"sha256": actual}), tiny.PROJECT)
    assert found.facts["parameters"] == 32 and found.facts["weights_sha256"] == actual
