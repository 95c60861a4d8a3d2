"""Cross-encoders of a few thousand weights: the same scores in any batch, and refusal of weights that nobody vouched for."""

from pathlib import Path

import pytest

from llmops_pipelines.config.pipeline import Reranker
from llmops_pipelines.lifecycle.index.errors import IndexingError
from llmops_pipelines.lifecycle.index.search import reranking
from llmops_pipelines.lifecycle.index.search.reranking import CrossEncoder
from llmops_pipelines.lifecycle.lake.digests import file_digest

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "ferry", "quay", "dogs", "nine", "when", "where", "leaves", "the", "crane"]
QUESTIONS = ["when leaves the ferry", "where", "when leaves the ferry"]
PASSAGES = ["the ferry leaves nine", "quay " * 200, "dogs"]


def made(folder: Path, labels: int = 1, seed: int = 0) -> Reranker:
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

    torch.manual_seed(seed)
    core = Tokenizer(models.WordLevel({word: place for place, word in enumerate(WORDS)}, unk_token="[UNK]"))
    core.pre_tokenizer = pre_tokenizers.Whitespace()
    core.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    PreTrainedTokenizerFast(tokenizer_object=core, model_max_length=64, **names).save_pretrained(folder)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    config = BertConfig(vocab_size=len(WORDS), max_position_embeddings=64, num_labels=labels, initializer_range=1.0, **sizes)
    BertForSequenceClassification(config).save_pretrained(folder)
    sha256 = file_digest(folder / "model.safetensors")
    return Reranker.model_construct(model=folder.name, sha256=sha256, candidates=30)


@pytest.fixture(autouse=True)
def _nothing_loaded_before(one_thread):
    reranking._loaded.cache_clear()


def test_a_pair_has_the_same_score_alone_and_among_others(tmp_path, monkeypatch) -> None:
    judge = CrossEncoder.open(made(tmp_path / "judge"), tmp_path)
    together = judge.scores(QUESTIONS, PASSAGES)
    alone = [judge.scores([question], [passage])[0] for question, passage in zip(QUESTIONS, PASSAGES, strict=True)]
    assert together == pytest.approx(alone, abs=1e-5) and len(set(together.tolist())) == 3
    assert judge.scores(QUESTIONS[:1], PASSAGES[2:])[0] == pytest.approx(together[2], abs=1e-5)
    assert judge.scores(PASSAGES[2:], QUESTIONS[:1])[0] != pytest.approx(together[2], abs=1e-3)  # control: order matters
    monkeypatch.setattr(reranking, "TOKENS_AT_ONCE", 70)
    assert judge.scores(QUESTIONS, PASSAGES) == pytest.approx(together, abs=1e-5)
    assert judge.scores([], []).size == 0


def test_of_two_classes_the_second_means_a_match(tmp_path) -> None:
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    judge = CrossEncoder.open(made(tmp_path / "judge", labels=2), tmp_path)
    given = AutoTokenizer.from_pretrained(tmp_path / "judge")(QUESTIONS[0], PASSAGES[0], return_tensors="pt")
    with torch.inference_mode():
        no, yes = AutoModelForSequenceClassification.from_pretrained(tmp_path / "judge")(**given).logits[0].tolist()
    assert judge.scores(QUESTIONS[:1], PASSAGES[:1])[0] == pytest.approx(yes - no, abs=1e-4)


def test_other_weights_three_classes_and_pickled_weights_are_refused(tmp_path) -> None:
    settings = made(tmp_path / "judge")
    made(tmp_path / "judge", seed=1)  # somebody put other weights there
    with pytest.raises(IndexingError, match="retrieval.reranker.sha256: .* the settings say"):
        CrossEncoder.open(settings, tmp_path).scores(QUESTIONS, PASSAGES)
    with pytest.raises(IndexingError, match="tells 3 classes apart"):
        CrossEncoder.open(made(tmp_path / "three", labels=3), tmp_path).scores(QUESTIONS, PASSAGES)
    (tmp_path / "judge" / "model.safetensors").rename(tmp_path / "judge" / "pytorch_model.bin")
    with pytest.raises(IndexingError, match="has no model.safetensors; save the model"):
        CrossEncoder.open(settings, tmp_path)
