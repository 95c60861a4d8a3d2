"""The forward pass against that of torch, batches by length, and what is known of the hardware."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from llmops_pipelines.config.pipeline import Embeddings
from llmops_pipelines.lifecycle.index.embedders import bert
from llmops_pipelines.lifecycle.index.embedders.batches import by_length
from llmops_pipelines.lifecycle.index.embedders.encoder import BertEncoder
from llmops_pipelines.lifecycle.index.embedders.hardware import bf16_in_hardware
from llmops_pipelines.lifecycle.index.embedders.model_files import ModelFiles

pytestmark = pytest.mark.usefixtures("one_thread")


LAYER = {  # names in torch and in BERT's files
    "self_attn.out_proj": "attention.output.dense",
    "norm1": "attention.output.LayerNorm",
    "linear1": "intermediate.dense",
    "linear2": "output.dense",
    "norm2": "output.LayerNorm",
}


@pytest.fixture
def tiny(tmp_path: Path) -> tuple[Path, torch.nn.TransformerEncoder, torch.nn.LayerNorm]:
    """Two layers of 32 components with random weights as torch itself has them, and the same as a file of BERT."""
    torch.manual_seed(0)
    layer = torch.nn.TransformerEncoderLayer(32, 4, 64, dropout=0, activation="gelu", layer_norm_eps=1e-9, batch_first=True)
    layers = torch.nn.TransformerEncoder(layer, 2, enable_nested_tensor=False).eval()
    norm = torch.nn.LayerNorm(32, eps=1e-9)
    for weight in (*layers.parameters(), *norm.parameters()):
        torch.nn.init.normal_(weight, std=0.3)
    names = {"word": 50, "position": 16, "token_type": 2}
    stored = {f"embeddings.{name}_embeddings.weight": torch.randn(count, 32) for name, count in names.items()}
    stored |= {f"embeddings.LayerNorm.{name}": value for name, value in norm.state_dict().items()}
    for number, each in enumerate(layers.layers):
        for kind in ("weight", "bias"):
            parts = getattr(each.self_attn, f"in_proj_{kind}").detach().chunk(3)
            for part, name in zip(parts, ("query", "key", "value"), strict=True):
                stored[f"encoder.layer.{number}.attention.self.{name}.{kind}"] = part.clone()
            for theirs, ours in LAYER.items():
                stored[f"encoder.layer.{number}.{ours}.{kind}"] = each.get_submodule(theirs).state_dict()[kind]
    save_file({f"bert.{name}": value.contiguous() for name, value in stored.items()}, tmp_path / "model.safetensors")
    said = {"num_hidden_layers": 2, "num_attention_heads": 4, "layer_norm_eps": 1e-9}
    (tmp_path / "config.json").write_text(json.dumps(said))
    return tmp_path, layers, norm


def test_the_forward_pass_is_that_of_an_independent_implementation(tiny) -> None:
    folder, layers, norm = tiny
    model = bert.load(folder / "config.json", folder / "model.safetensors", torch.float32, torch.device("cpu"))
    tokens = torch.randint(0, 50, (3, 11))
    some = torch.arange(11) < torch.tensor([[11], [7], [1]])
    for mask in (some, torch.ones_like(some)):
        with torch.inference_mode():
            states = norm(model.words[tokens] + model.positions[:11])
            theirs = layers(states, src_key_padding_mask=~mask)[mask]
            ours = model(tokens, None if mask.all() else mask)[mask]
            unmasked = model(tokens, None)[mask]
        assert torch.allclose(ours, theirs, atol=1e-4)
        assert torch.allclose(unmasked, theirs, atol=1e-4) == bool(mask.all())  # the comparison can fail


OTHER_KINDS = [{"model_type": "roberta"}, {"hidden_act": "relu"}, {"position_embedding_type": "relative"}, {"is_decoder": True}]


@pytest.mark.parametrize("config", OTHER_KINDS, ids=str)
def test_models_of_another_kind_are_left_to_their_library(config: dict) -> None:
    known = {"model_type": "bert", "hidden_act": "gelu"}
    assert bert.understood(known) and not bert.understood(known | config)


def test_bf16_points_the_same_way() -> None:
    texts = ["The ferry leaves at nine.", "word " * 90, "x", "Departure of the boat: 09:00."]
    exact, rounded = (BertEncoder.load(ModelFiles.find(Embeddings(precision=name)))(texts) for name in ("fp32", "bf16"))
    cosines = (exact * rounded).sum(axis=1)
    assert cosines.mean() > 0.9999 and cosines.min() > 0.999
    assert cosines.max() < 0.9999999  # it was another computation


def test_batches_hold_texts_of_one_length_within_the_budget() -> None:
    lengths = [5, 120, 33, 120, 7, 64, 3, 200, 64]
    found = list(by_length(lengths, budget=256, step=16))
    assert sorted(row for _, rows in found for row in rows) == list(range(9))
    assert all(length * len(rows) <= 256 and length % 16 == 0 for length, rows in found)
    assert [length for length, _ in found] == sorted((length for length, _ in found), reverse=True)
    assert list(by_length([300, 2], budget=100)) == [(300, [0]), (2, [1])]  # a text over the budget goes alone
    assert list(by_length([], budget=100)) == []


def test_a_processor_says_whether_it_knows_bf16(tmp_path: Path) -> None:
    said = tmp_path / "cpuinfo"
    for flags, known in (("fpu avx512_vnni amx_bf16", True), ("fpu avx512_bf16x", False), ("", False)):
        said.write_text(f"processor\t: 0\nmodel name\t: amx_bf16\nflags\t\t: {flags}\n")
        assert bf16_in_hardware("cpu", said) is known
    assert bf16_in_hardware("cpu", tmp_path / "none") is False
