"""Recipes that cannot be: said while the file is read, or before training starts, in one sentence with the way out."""

import json

import pytest
from pydantic import ValidationError

from llmops_pipelines.lifecycle.training import TrainingError, settings

from . import tiny


@pytest.fixture
def model(tmp_path):
    return tiny.fake_model(tmp_path / "model")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ({"method": "full", "lora": {"rank": 4}}, "no section lora with method full"),
        ({"beta": 0.2}, "no beta with method lora; it belongs to dpo"),
        ({"method": "dpo", "packing": True}, "packing: false with method dpo"),
        ({"method": "dpo", "learn_from": "everything"}, "learn_from: completion with method dpo"),
        ({"method": "qlora", "precision": "fp32"}, "precision bf16 or auto with method qlora"),
        ({"nodes": 2}, r"rendezvous \(host:port of the first machine\) with nodes above 1"),
        ({"rendezvous": "first:29500"}, "rendezvous .* only then"),
        ({"method": "lorra"}, "Input should be 'lora', 'qlora', 'full' or 'dpo'"),
        ({"budget": {"minutes": 0}}, "greater than 0"),
        ({"mix": {"question": -1}}, "greater than 0"),
    ],
)
def test_words_that_do_not_go_together(model, words, sentence):
    with pytest.raises(ValidationError, match=sentence):
        tiny.recipe(model, **words)


def deepspeed(tmp_path, config):
    path = tmp_path / "deepspeed.json"
    path.write_text(json.dumps(config))
    return str(path)


ZERO3 = {"stage": 3, "stage3_gather_16bit_weights_on_model_save": True}


@pytest.mark.parametrize(
    ("words", "config", "sentence"),
    [
        ({"method": "qlora"}, {"zero_optimization": ZERO3}, "is ZeRO-3, which cannot share out a base in 4 bits"),
        ({}, {"zero_optimization": {"stage": 3}}, "ZeRO-3 without stage3_gather_16bit_weights_on_model_save: true"),
        ({}, {"zero_optimization": {"stage": 0}}, "no zero_optimization.stage; use 1, 2 or 3"),
        ({}, {"zero_optimization": {"stage": 2}, "optimizer": {"type": "Adam"}}, "a section optimizer or scheduler"),
        ({"compile": True}, {"zero_optimization": ZERO3}, "recipe.compile: true, but .* is ZeRO-3"),
        (
            {"precision": "fp32"},
            {"zero_optimization": {"stage": 2}, "bf16": {"enabled": True}},
            "recipe.precision: fp32, but .* has bf16.enabled: true",
        ),
    ],
)
def test_a_deepspeed_file_that_contradicts_the_recipe(model, tmp_path, words, config, sentence):
    with pytest.raises(TrainingError, match=sentence):
        settings.settings(tiny.recipe(model, **words, deepspeed=deepspeed(tmp_path, config)), tiny.PROJECT)


def test_qlora_says_at_launch_what_it_needs(model, tmp_path, monkeypatch):
    monkeypatch.setattr(settings, "find_spec", lambda name: None)
    with pytest.raises(
        TrainingError, match="recipe.method: qlora needs an NVIDIA GPU and bitsandbytes, which is not installed"
    ):
        tiny.train_in(tmp_path, model, None, method="qlora")
    with pytest.raises(TrainingError, match="recipe.optimizer: adamw_8bit needs an NVIDIA GPU and bitsandbytes"):
        tiny.train_in(tmp_path, model, None, optimizer="adamw_8bit")


def identity(model, **words):
    return settings.settings(tiny.recipe(model, **words), tiny.PROJECT).identity


def test_who_computes_does_not_make_another_run_but_the_examples_per_step_do(model):
    same = identity(model, ranks=2, batch_size=4)
    assert same == identity(model, ranks=4, batch_size=2) == identity(model, ranks=1, batch_size=4, accumulate=2, save_every=9)
    assert same == identity(model, ranks=1, nodes=2, rendezvous="first:29500", batch_size=4, recompute=True)
    for other in ({"ranks": 2, "batch_size": 2}, {"batch_size": 4, "packing": True}, {"batch_size": 4, "seed": 1}):
        assert identity(model, **other) != same
