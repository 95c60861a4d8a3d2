"""Names of people, found by a token classification model of one's own choice. Without a model nothing here runs."""

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

CODE = "names 1"
LIBRARIES = ("transformers", "torch")
PERSON = ("PER", "PERSON")  # what models call them, behind B- or I-
WINDOW, OVERLAP = 256, 32  # tokens read at once
BATCH = 8
FILES = ("config.json", "tokenizer.json", "model.safetensors")


def identity(folder: str) -> dict[str, Any]:
    """What the model is: digests of its files."""
    import hashlib

    def sha256(path: Path) -> str:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    return {"code": CODE, **{name: sha256(Path(folder) / name) for name in FILES}}


def find(text: str, folder: str) -> list[tuple[int, int]]:
    """Where names stand; neighbouring words of one name are one span."""
    if not any(map(str.isupper, text)):
        return []
    words: dict[tuple[int, int], bool] = {}
    for window in _windows(text, folder):
        for span, person in window.items():
            words[span] = words.get(span, False) or person
    spans: list[tuple[int, int]] = []
    for start, end in sorted(span for span, person in words.items() if person):
        if spans and text[spans[-1][1] : start].strip(" .'\u2019-") == "" and "\n" not in text[spans[-1][1] : start]:
            spans[-1] = (spans[-1][0], end)
        else:
            spans.append((start, end))
    return spans


def _windows(text: str, folder: str) -> list[dict[tuple[int, int], bool]]:
    """Per window {word: whether its first token is part of a person's name}."""
    import torch

    tokenizer, model, persons = _model(folder)
    length = min(WINDOW, getattr(model.config, "max_position_embeddings", WINDOW))
    encoded = tokenizer(
        text,
        truncation=True,
        max_length=length,
        stride=min(OVERLAP, length // 4),
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
        padding=True,
        return_tensors="pt",
    )
    labels = []
    for start in range(0, len(encoded["input_ids"]), BATCH):
        part = {name: encoded[name][start : start + BATCH] for name in ("input_ids", "attention_mask")}
        with torch.inference_mode():
            labels += model(**part).logits.argmax(-1).tolist()
    found = []
    for number, row in enumerate(labels):
        words: dict[int, list[int]] = {}
        for token, word in enumerate(encoded.word_ids(number)):
            if word is not None:
                words.setdefault(word, []).append(token)
        offsets = encoded["offset_mapping"][number].tolist()
        found.append({(offsets[w[0]][0], offsets[w[-1]][1]): row[w[0]] in persons for w in words.values()})
    return found


@lru_cache(maxsize=1)
def _model(folder: str):
    from transformers import AutoModelForTokenClassification, AutoTokenizer

    options = {"local_files_only": True, "trust_remote_code": False}
    tokenizer = AutoTokenizer.from_pretrained(folder, use_fast=True, **options)
    model = AutoModelForTokenClassification.from_pretrained(folder, use_safetensors=True, **options).eval()
    labels = json.loads((Path(folder) / "config.json").read_text()).get("id2label", {})
    return (
        tokenizer,
        model,
        frozenset(int(number) for number, label in labels.items() if label.split("-")[-1].upper() in PERSON),
    )
