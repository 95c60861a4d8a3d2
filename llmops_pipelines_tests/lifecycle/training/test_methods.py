"""Each method and each word that changes training, in the real training process: what it learns and what it leaves behind."""

import json

import pytest

from llmops_pipelines.lifecycle.training import TrainingError, checkpoint_is_sound

from . import tiny
from .warm import Kill, Warm

pytestmark = pytest.mark.slow


def trained(server, home, model, count=24, kills=(), **words):
    run = Warm(server, list(kills))
    while True:
        try:
            return tiny.train_in(home, model, run, count, **words)
        except TrainingError:
            if run.starts > len(kills):
                print(run.output)
                raise


def losses(version):
    return [row["loss"] for row in version.table("training_log").to_pylist()]


def test_full_leaves_a_whole_model_with_the_tokenizer_of_its_base(warm_server, tiny_model, tmp_path):
    for stage in (2, 3):
        words = {"method": "full", "deepspeed": f"configs/deepspeed/zero{stage}.json", "precision": "fp32"}
        made = trained(warm_server, tmp_path / str(stage), tiny_model, **words)
        sound, answers = checkpoint_is_sound(made)
        assert sound, answers
        facts = made.json("checkpoint")
        assert (facts["method"], facts["kind"]) == ("full", "model") and "adapter_sha256" not in facts
        names = {path.name for path in made.file("model").iterdir()}
        assert {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"} <= names
        assert not any(name.endswith((".bin", ".pt")) for name in names) and "training_args.bin" not in names
        assert (made.file("model") / "tokenizer.json").read_bytes() == (tiny_model / "tokenizer.json").read_bytes()
        assert str(tmp_path) not in (made.file("model") / "config.json").read_text()
        assert losses(made)[-1] < losses(made)[0]


def test_a_killed_full_run_resumes_to_the_same_weights(warm_server, tiny_model, tmp_path):
    words = {"method": "full", "save_every": 2, "deepspeed": "configs/deepspeed/zero3.json"}
    whole = trained(warm_server, tmp_path / "whole", tiny_model, **words)
    killed = trained(warm_server, tmp_path / "killed", tiny_model, kills=[Kill(1, "step", "4")], **words)
    assert killed.facts["resumed_from_step"] == 2 and killed.digest == whole.digest
    assert checkpoint_is_sound(killed)[0]


def test_dpo_learns_to_prefer(warm_server, tiny_model, tmp_path):
    words = {"method": "dpo", "learning_rate": 0.02, "epochs": 2, "beta": 0.5, "save_every": 4}
    made = trained(warm_server, tmp_path / "whole", tiny_model, **words)
    sound, answers = checkpoint_is_sound(made)
    assert sound, answers
    assert made.json("checkpoint")["method"] == "dpo" and made.has("adapter/adapter_model.safetensors")
    assert losses(made)[0] == pytest.approx(0.6931, abs=0.01), "at first both sides are equally likely: log 2"
    assert losses(made)[-1] < 0.65
    killed = trained(warm_server, tmp_path / "killed", tiny_model, kills=[Kill(0, "step", "6")], **words)
    assert killed.facts["resumed_from_step"] == 4 and killed.digest == made.digest
    sharded = trained(warm_server, tmp_path / "sharded", tiny_model, **words, deepspeed="configs/deepspeed/zero3.json")
    assert checkpoint_is_sound(sharded)[0] and losses(sharded)[-1] < 0.65


def test_packing_reads_the_same_tokens_in_fewer_rows(warm_server, tiny_model, tmp_path):
    words = {"precision": "fp32", "lora": {"rank": 4}, "batch_size": 1}
    plain = trained(warm_server, tmp_path / "plain", tiny_model, **words)
    packed = trained(warm_server, tmp_path / "packed", tiny_model, packing=True, **words)
    assert checkpoint_is_sound(packed)[0]
    assert packed.facts["rows"] <= plain.facts["rows"] / 3 and packed.facts["examples"] == plain.facts["examples"]
    assert packed.facts["tokens"] == plain.facts["tokens"]
    assert losses(packed)[0] == pytest.approx(sum(losses(plain)[:3]) / 3, rel=0.05)


@pytest.mark.parametrize("stage", [2, 3])
def test_another_number_of_ranks_goes_on_through_the_universal_checkpoint(stage, warm_server, tiny_model, tmp_path):
    """Same rows per step, fp32 and no dropout: the losses must be those of a run that never moved, up to rounding."""
    words = {"lora": {"rank": 4}, "precision": "fp32", "save_every": 2, "deepspeed": f"configs/deepspeed/zero{stage}.json"}
    words["learning_rate"] = 0.05  # high: an optimizer state that was lost shows in the losses
    two, one = {"ranks": 2, "batch_size": 2}, {"ranks": 1, "batch_size": 4}
    whole = trained(warm_server, tmp_path / "whole", tiny_model, **words, **two)
    for first, second in ((two, one), (one, two)):
        home = tmp_path / f"from-{first['ranks']}"
        with pytest.raises(TrainingError):
            tiny.train_in(home, tiny_model, Warm(warm_server, [Kill(0, "step", "4")]), 24, **words, **first)
        moved = trained(warm_server, home, tiny_model, **words, **second)
        assert (moved.facts["resumed_from_step"], moved.facts["resumed_from_ranks"]) == (2, first["ranks"])
        assert losses(moved) == pytest.approx(losses(whole), rel=1e-4)
        assert checkpoint_is_sound(moved)[0]


def test_more_ranks_with_the_same_batch_are_another_run(tiny_model, tmp_path, warm_server):
    words = {"save_every": 2, "budget": {"steps": 3}}
    first = trained(warm_server, tmp_path, tiny_model, **words)
    second = trained(warm_server, tmp_path, tiny_model, **words, ranks=1)
    assert (second.reused, second.facts["resumed_from_step"]) == (False, 0) and second.digest != first.digest


def test_a_checkpoint_in_other_numbers_is_refused(warm_server, tiny_model, tmp_path):
    words = {"save_every": 2, "precision": "fp32"}
    with pytest.raises(TrainingError):
        tiny.train_in(tmp_path, tiny_model, Warm(warm_server, [Kill(0, "step", "4")]), 24, **words)
    (manifest,) = tmp_path.glob("training/*/checkpoints/checkpoint-2/manifest.json")
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"precision": "bf16"}))
    with pytest.raises(
        TrainingError, match="checkpoint-2: saved in bf16, and this machine trains in fp32; set precision: bf16"
    ):
        tiny.train_in(tmp_path, tiny_model, Warm(warm_server), 24, **words)


def test_a_budget_ends_training_cleanly(warm_server, tiny_model, tmp_path):
    words = {"lora": {"rank": 4}, "precision": "fp32", "warmup": 0.0}
    for name, budget, steps in (("steps", {"steps": 4}, 4), ("tokens", {"tokens": 300}, 3), ("minutes", {"minutes": 1e-6}, 1)):
        made = trained(warm_server, tmp_path / name, tiny_model, budget=budget, **words)
        assert (made.facts["ended_by"], made.facts["repeatable"]) == (name, name != "minutes")
        assert made.facts["steps"] == steps and made.json("checkpoint")["ended_by"] == name
        assert checkpoint_is_sound(made)[0]
    assert trained(warm_server, tmp_path / "steps", tiny_model, budget={"steps": 4}, **words).reused


def test_words_reach_the_trainer(warm_server, tiny_model, tmp_path):
    """Each changes the losses: a word that is read and then forgotten would not."""
    words = {"lora": {"rank": 4}, "precision": "fp32", "budget": {"steps": 5}, "learning_rate": 0.05, "warmup": 0.0}
    changes = (
        {},
        {"optimizer": "sgd"},
        {"schedule": "constant"},
        {"schedule": "cosine"},
        {"weight_decay": 0.9},
        {"clip": 0.01},
        {"learn_from": "everything"},
        {"mix": {"table": 1}},
        {"precision": "bf16"},
    )
    seen = [losses(trained(warm_server, tmp_path / str(n), tiny_model, **{**words, **each})) for n, each in enumerate(changes)]
    assert len({tuple(each) for each in seen}) == len(changes)
    again = losses(trained(warm_server, tmp_path / "halves", tiny_model, **words, batch_size=1, accumulate=2))
    assert again == pytest.approx(seen[0], rel=1e-3), "two halves of a batch are the batch"
    recomputed = losses(trained(warm_server, tmp_path / "recomputed", tiny_model, **words, recompute=True))
    assert recomputed == pytest.approx(seen[0], rel=1e-5)
    compiled = losses(trained(warm_server, tmp_path / "compiled", tiny_model, **words, compile=True))  # switched off there
    assert compiled == seen[0]
