"""Models and services that the cases of `blame_cases.py` need: a spoilt embedder, a cross-encoder taught in a minute, a judge.

Made once and kept beside the worlds.
"""

import json
import random
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from llmops_pipelines.config.pipeline import Embeddings
from llmops_pipelines.lifecycle.index.embedders.model_files import ModelFiles
from llmops_pipelines.lifecycle.lake.digests import file_digest

NOISE = 0.4  # of the spread of each matrix
STEPS, ASKED, OTHERS, TOKENS = 60, 6, 2, 96  # of the cross-encoder: steps, questions a step, wrong passages, longest pair
PORT = 18_737  # of the judge: part of its identity, so it must be the same in every run


def noised_embedder(folder: Path) -> tuple[Path, str]:
    """MiniLM with noise on its weights, pooled from the first state, for which it was not taught; and the weights' sha256."""
    import torch
    from safetensors.torch import load_file, save_file

    target = folder / "noised"
    weights = target / "model.safetensors"
    if not weights.is_file():
        shutil.copytree(ModelFiles.find(Embeddings()).folder, target)
        tensors, drawn = load_file(weights), torch.Generator().manual_seed(0)
        for name, tensor in tensors.items():
            if tensor.ndim == 2 and tensor.is_floating_point() and "encoder" in name:
                tensors[name] = tensor + NOISE * tensor.std() * torch.randn(tensor.shape, generator=drawn)
        pooling = target / "1_Pooling" / "config.json"
        said = json.loads(pooling.read_text("utf-8"))
        said |= {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}
        pooling.write_text(json.dumps(said), "utf-8")
        save_file(tensors, weights, metadata={"format": "pt"})
    return target, file_digest(weights)


def reranker(folder: Path, data: Any, unknown: set[str]) -> tuple[Path, str]:
    """A cross-encoder from MiniLM, taught with the questions of `data` whose ids are not in `unknown`."""
    target = folder / "cross_encoder"
    if not (target / "model.safetensors").is_file():
        _teach(target, [row for row in data.questions if row["id"] not in unknown], data.passages)
    return target, file_digest(target / "model.safetensors")


def _teach(target: Path, questions: list[dict[str, Any]], passages: list[dict[str, Any]]) -> None:
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    torch.manual_seed(0)
    drawn, texts = random.Random(0), {row["id"]: row["text"] for row in passages}
    beside = {row["id"]: [each["id"] for each in passages if each["title"] == row["title"]] for row in passages}
    source = ModelFiles.find(Embeddings()).folder
    tokenizer = AutoTokenizer.from_pretrained(source)
    model = AutoModelForSequenceClassification.from_pretrained(source, num_labels=1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    for step in range(STEPS):
        pairs = []
        for row in drawn.sample(questions, ASKED):
            near = [name for name in beside[row["passage_id"]] if name != row["passage_id"]]
            wrong = [*drawn.sample(near, OTHERS - 1), drawn.choice(list(texts))]
            pairs += [(row["question"], _around(texts[name], row, drawn)) for name in (row["passage_id"], *wrong)]
        both = map(list, zip(*pairs, strict=True))
        given = tokenizer(*both, truncation=True, max_length=TOKENS, padding=True, return_tensors="pt")
        with torch.autocast("cpu", torch.bfloat16):
            scores = model(**given).logits.float().view(ASKED, OTHERS + 1)
        loss = torch.nn.functional.cross_entropy(scores, torch.zeros(ASKED, dtype=torch.long))
        for group in optimizer.param_groups:
            group["lr"] = 1e-4 * min(1.0, step / 16, (STEPS - step) / (STEPS / 2))
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(target)
    tokenizer.save_pretrained(target)


def _around(text: str, row: dict[str, Any], drawn: random.Random) -> str:
    """A part of a passage as long as a chunk, with the answer if it stands there."""
    place = next((found for answer in row["answers"] if (found := text.find(answer)) >= 0), None)
    start = max(0, (drawn.randrange(len(text)) if place is None else place) - drawn.randrange(50, 250))
    return text[start : start + 400]


class _Request(BaseHTTPRequestHandler):
    """One request to the judge, answered in OpenAI's protocol."""

    protocol_version = "HTTP/1.1"
    stern = False

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        stern = self.stern or body["model"].startswith("stern")
        text = verdict(body["messages"][-1]["content"], stern)
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
        told = {"id": "1", "object": "chat.completion", "model": body["model"], "choices": [choice]}
        content = json.dumps(told | {"usage": {"prompt_tokens": 1, "completion_tokens": 1}}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


def verdict(prompt: str, stern: bool) -> str:
    """What a judge that counts common words says of an answer beside passages (the forms of ragas' faithfulness)."""
    material = json.loads(prompt.rpartition("\ninput: ")[2].removesuffix("\nOutput: "))
    if "statements" not in material:
        return json.dumps({"statements": [material["answer"]]})
    found = [(text, _holds(text, material["context"], stern)) for text in material["statements"]]
    return json.dumps({"statements": [{"statement": text, "reason": "words", "verdict": v} for text, v in found]})


def _holds(text: str, context: str, stern: bool) -> int:
    there = {word.strip('.,?!"()').lower() for word in context.split()}
    words = [word.strip('.,?!"()').lower() for word in text.split()]
    enough = len(words) >= 3 if stern else True  # the stern one believes no short answer
    return int(enough and all(word in there for word in words))


@contextmanager
def judge(stern: bool = False) -> Iterator[str]:
    """The judge at work; its address."""
    handler = type("Request", (_Request,), {"stern": stern})
    ThreadingHTTPServer.allow_reuse_address = True
    server = ThreadingHTTPServer(("127.0.0.1", PORT), handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{PORT}/v1"
    finally:
        server.shutdown()
        server.server_close()
