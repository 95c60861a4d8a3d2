"""Names are found by whatever model stands in the folder; here a tiny one that calls some words people."""

import json

import pytest
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from transformers import BertConfig, BertForTokenClassification, PreTrainedTokenizerFast

from llmops_pipelines.lifecycle.corpus.cleaners import names
from llmops_pipelines.lifecycle.corpus.cleaners.cleaning import Preparing, identity, prepare

WORDS = ["[PAD]", "[UNK]", "ann", "##a", "berg", "lee", "the", "ferry", "of", "and", "."]
PEOPLE = ("ann", "##a", "berg", "lee")


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> str:
    """Random weights, but the classifier reads the word embedding alone: one-hot per word."""
    folder = tmp_path_factory.mktemp("names")
    config = BertConfig(
        vocab_size=len(WORDS),
        hidden_size=16,
        num_hidden_layers=0,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=64,
        id2label={0: "O", 1: "B-PER", 2: "B-LOC"},
        label2id={"O": 0, "B-PER": 1, "B-LOC": 2},
    )
    network = BertForTokenClassification(config)
    with torch.no_grad():
        embeddings = network.bert.embeddings
        for weight in (
            embeddings.position_embeddings.weight,
            embeddings.token_type_embeddings.weight,
            network.classifier.weight,
        ):
            weight.zero_()
        embeddings.word_embeddings.weight.copy_(torch.eye(len(WORDS), 16))
        network.classifier.bias.copy_(torch.tensor([0.0, -1.0, -9.0]))
        for word in PEOPLE:
            network.classifier.weight[1, WORDS.index(word)] = 1.0
    network.save_pretrained(folder)
    tokenizer = Tokenizer(models.WordPiece({word: n for n, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizers.Lowercase(), pre_tokenizers.BertPreTokenizer()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]").save_pretrained(folder)
    return str(folder)


def test_names_of_several_words_are_one_span_wherever_they_stand_in_a_long_text(model):
    text = "The ferry of Anna Berg. " + "The ferry of the ferry. " * 60 + "Lee and Ann"
    assert [text[start:end] for start, end in names.find(text, model)] == ["Anna Berg", "Lee", "Ann"]


def test_a_text_without_capitals_has_no_names(model):
    assert names.find("anna of the ferry", model) == []


@pytest.mark.parametrize(
    ("treatment", "expected"), [("redact", "The ferry of [name]."), ("mask", "The ferry of A*** B***."), ("drop", "")]
)
def test_names_are_treated_like_other_kinds(model, treatment, expected):
    settings = Preparing(personal_data=(("name", treatment),), names_model=model)
    found = prepare("The ferry", "The ferry of Anna Berg.", "text", settings)
    assert found["text"] == expected
    assert found["reason"] == ("personal_data_name" if treatment == "drop" else "")


def test_other_weights_are_another_identity(model, tmp_path):
    settings = Preparing(names_model=model)
    other = tmp_path / "other"
    other.mkdir()
    for name in names.FILES:
        (other / name).write_bytes((names.Path(model) / name).read_bytes())
    assert identity(settings) == identity(Preparing(names_model=str(other)))
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps({**config, "id2label": {"0": "B-PER"}}))
    assert identity(settings) != identity(Preparing(names_model=str(other)))
