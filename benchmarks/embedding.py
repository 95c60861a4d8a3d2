"""Embedding all-MiniLM-L6-v2 on processors, end to end from text: ours beside sentence-transformers, OpenVINO and ONNX Runtime.

    python benchmarks/embedding.py --texts 2000        (peers: pip install openvino nncf onnxruntime onnx onnxscript)

Each method runs in a process of its own with all cores, loaded and warm before the clock starts. `cosine` and `top 10` are
against sentence-transformers in fp32; `of the peak` is against the best matrix product of the same run. A busy machine
distorts times: texts per CPU second are steadier. Without bf16 in hardware bf16 is emulated, and measured on few texts.
"""

import argparse
import importlib.util
import json
import re
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
from texts import gather

from llmops_pipelines.config.pipeline import Embeddings
from llmops_pipelines.lifecycle.compute import Local
from llmops_pipelines.lifecycle.compute.cores import usable
from llmops_pipelines.lifecycle.index.embedders.embedder import Embedder
from llmops_pipelines.lifecycle.index.embedders.fidelity import agreement
from llmops_pipelines.lifecycle.index.embedders.hardware import bf16_in_hardware
from llmops_pipelines.lifecycle.index.embedding import EmbedTexts

TOKENS = 128  # most of one text; with whole sentences the mean is about 114
FEW = 64  # texts where a number format is emulated
WARM = 48
Encode = Callable[[list[str]], np.ndarray]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--texts", type=int, default=2_000)
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=list(METHODS))
    parser.add_argument("--run", nargs=3, help=argparse.SUPPRESS)  # method, texts, result: in the child
    given = parser.parse_args()
    if given.run:
        run(*given.run)
        return
    with tempfile.TemporaryDirectory() as folder:
        compare(texts(given.texts), given.methods, Path(folder))


def compare(sample: list[str], methods: list[str], folder: Path) -> None:
    work = operations(sample)
    print(f"{len(sample):,} texts of {work['tokens'] / len(sample):.0f} tokens, {usable()} cores, bf16 {support()}")
    peaks = {name: peak(name) for name in ("float32", "bfloat16")}
    print(", ".join(f"{name} matrix product {found / 1e9:,.0f} GFLOP/s" for name, found in peaks.items()) + "\n")
    print("| method | texts/s | ratio | texts per CPU second | ratio | cosine mean | cosine min | top 10 | of the peak |")
    print("|" + "---|" * 9)
    first: dict[str, float] = {}
    reference = None
    for method in methods:
        needs, precision, _ = METHODS[method]
        if missing := [name for name in needs if not importlib.util.find_spec(name)]:
            print(f"| {method} | not installed: {', '.join(missing)} |" + " |" * 7)
            continue
        chosen = sample[:FEW] if precision == "bfloat16" and not bf16_in_hardware("cpu") else sample
        (folder / "texts.json").write_text(json.dumps(chosen), "utf-8")
        command = [sys.executable, __file__, "--run", method, str(folder / "texts.json"), str(folder / "made.npz")]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            print(f"| {method} | failed: {(done.stderr.strip() or '?').splitlines()[-1][:80]} |" + " |" * 7)
            continue
        made = np.load(folder / "made.npz")
        speed, thrift = len(chosen) / made["wall"], len(chosen) / made["cpu"]
        first = first or {"wall": speed, "cpu": thrift}
        reference = made["vectors"] if reference is None else reference
        cosines = (made["vectors"] * reference[: len(chosen)]).sum(axis=1)
        print(
            f"| {method} | {speed:.1f} | {speed / first['wall']:.2f} | {thrift:.1f} | {thrift / first['cpu']:.2f} "
            f"| {cosines.mean():.5f} | {cosines.min():.5f} | {agreement(made['vectors'], reference[: len(chosen)]):.3f} "
            f"| {speed * work['flop'] / len(sample) / peaks[precision]:.0%} |",
            flush=True,
        )


def run(method: str, given: str, result: str) -> None:
    """In the child: load, warm up, measure."""
    warnings.simplefilter("ignore")
    sample = json.loads(Path(given).read_text("utf-8"))
    encode = METHODS[method][2]()
    encode(sample[:WARM])
    began, used = time.perf_counter(), cpu_seconds()
    vectors = encode(sample)
    wall, cpu = time.perf_counter() - began, cpu_seconds() - used
    vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)  # bf16 rounds lengths as well
    np.savez(result, vectors=vectors, wall=wall, cpu=cpu)


def cpu_seconds() -> float:
    """Of this process and its workers."""
    me = psutil.Process()
    return sum(sum(each.cpu_times()[:2]) for each in [me, *me.children(recursive=True)])


def texts(count: int) -> list[str]:
    """Whole sentences, up to `TOKENS` tokens, of the documentation on this machine."""
    tokenizer = plain_tokenizer()
    found: list[str] = []
    for source in gather(files=3_000, megabytes=20).values():
        parts = [part for part in re.findall(r"[^.\n]*[.\n]\s*|[^.\n]+$", source) if part.strip()]
        text, total = "", 0
        for part, encoding in zip(parts, tokenizer.encode_batch_fast(parts, add_special_tokens=False), strict=True):
            if len(encoding) > TOKENS:
                continue
            if total + len(encoding) > TOKENS:
                found.append(text)
                text, total = "", 0
            text, total = text + part, total + len(encoding)
        if len(found) >= count:
            return found[:count]
    raise SystemExit(f"only {len(found)} texts here; ask for fewer")


def plain_tokenizer():
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(Embedder.open(Embeddings()).model.path("tokenizer.json")))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def operations(sample: list[str]) -> dict[str, float]:
    """Multiplications and additions of the model for these texts, padding not counted."""
    said = json.loads(Embedder.open(Embeddings()).model.path("config.json").read_text("utf-8"))
    wide, inner, layers = said["hidden_size"], said["intermediate_size"], said["num_hidden_layers"]
    lengths = [len(encoding) for encoding in plain_tokenizer().encode_batch_fast(sample)]
    flop = sum(layers * (2 * n * (4 * wide**2 + 2 * wide * inner) + 4 * n * n * wide) for n in lengths)
    return {"tokens": sum(lengths), "flop": flop}


def support() -> str:
    return "in hardware" if bf16_in_hardware("cpu") else f"emulated, on {FEW} texts"


def peak(name: str, seconds: float = 1.5) -> float:
    """FLOP/s of the best matrix product among the shapes of this model, all cores."""
    import torch

    best = 0.0
    for rows, inner, columns in ((4096, 384, 1152), (4096, 384, 1536), (4096, 1536, 384), (2048, 1024, 1024)):
        a, b = (torch.randn(shape, dtype=getattr(torch, name)) for shape in ((rows, inner), (inner, columns)))
        until = time.perf_counter() + seconds
        while (began := time.perf_counter()) < until:
            a @ b
            best = max(best, 2 * rows * inner * columns / (time.perf_counter() - began))
    return best


def ours(precision: str = "fp32") -> Encode:
    """As the stage does it: sorted by length, 128 texts per batch, one process per core."""
    import pyarrow as pa

    local, stage = Local(patience=0), EmbedTexts(Embeddings(precision=precision))

    def encode(sample: list[str]) -> np.ndarray:
        order = sorted(range(len(sample)), key=lambda row: -len(sample[row]))
        portions = [order[at : at + 128] for at in range(0, len(order), 128 if len(order) > FEW else 16)]
        batches = ([sample[row] for row in portion] for portion in portions)
        named = (pa.RecordBatch.from_pydict(dict.fromkeys(("chunk_id", "text_hash", "text"), each)) for each in batches)
        vectors = np.empty((len(sample), 384), np.float32)
        for portion, made in zip(portions, local.map(stage, named), strict=True):
            vectors[portion] = made.column("vector").flatten().to_numpy().reshape(-1, 384)
        return vectors

    return encode


def ours_in_this_process() -> Encode:
    return Embedder.open(Embeddings()).embed


def sentence_transformers(precision: str = "float32") -> Encode:
    import torch
    from sentence_transformers import SentenceTransformer

    folder = str(Embedder.open(Embeddings()).model.folder)
    model = SentenceTransformer(folder, device="cpu", model_kwargs={"dtype": getattr(torch, precision)})
    return lambda sample: model.encode(sample, convert_to_tensor=True, normalize_embeddings=True).float().numpy()


def exported():
    """The model for OpenVINO and ONNX: tokens and mask to unit vectors."""
    import torch
    from transformers import AutoModel

    folder = Embedder.open(Embeddings()).model.path("config.json").parent
    model = AutoModel.from_pretrained(folder, dtype=torch.float32, attn_implementation="sdpa").eval()

    class Whole(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, tokens, mask):
            states = self.model(input_ids=tokens, attention_mask=mask).last_hidden_state
            return torch.nn.functional.normalize((states * mask[:, :, None].float()).sum(1), dim=1)

    return Whole().eval(), (torch.ones(2, 16, dtype=torch.long), torch.ones(2, 16, dtype=torch.long))


def batched(infer: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Encode:
    """Sorted by length, 32 texts at once, as sentence-transformers does."""
    tokenizer = plain_tokenizer()

    def inputs(sample: list[str]) -> Iterator[tuple[list[int], np.ndarray, np.ndarray]]:
        ids = [encoding.ids for encoding in tokenizer.encode_batch_fast(sample)]
        order = sorted(range(len(ids)), key=lambda row: -len(ids[row]))
        for at in range(0, len(order), 32):
            rows = order[at : at + 32]
            tokens = np.zeros((len(rows), len(ids[rows[0]])), np.int64)
            for place, row in enumerate(rows):
                tokens[place, : len(ids[row])] = ids[row]
            yield rows, tokens, (tokens != 0).astype(np.int64)

    def encode(sample: list[str]) -> np.ndarray:
        vectors = np.empty((len(sample), 384), np.float32)
        for rows, tokens, mask in inputs(sample):
            vectors[rows] = infer(tokens, mask)
        return vectors

    encode.inputs = inputs
    return encode


def openvino(int8: bool = False) -> Encode:
    import openvino

    model, example = exported()
    converted = openvino.convert_model(model, example_input=example)
    if int8:
        import nncf

        calibration = [(tokens, mask) for _, tokens, mask in batched(lambda *_: None).inputs(texts(300))]
        converted = nncf.quantize(converted, nncf.Dataset(calibration), model_type=nncf.ModelType.TRANSFORMER)
    options = {"PERFORMANCE_HINT": "LATENCY"} | ({} if int8 else {"INFERENCE_PRECISION_HINT": "f32"})
    compiled = openvino.Core().compile_model(converted, "CPU", options)
    return batched(lambda tokens, mask: compiled([tokens, mask])[0])


def onnxruntime() -> Encode:
    import onnxruntime
    import torch

    model, example = exported()
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/model.onnx"
        names, axes = ["tokens", "mask"], {0: "texts", 1: "length"}
        torch.onnx.export(
            model, example, path, dynamo=False, input_names=names, dynamic_axes=dict.fromkeys(names, axes), opset_version=17
        )
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return batched(lambda tokens, mask: session.run(None, {"tokens": tokens, "mask": mask})[0])


METHODS: dict[str, tuple[list[str], str, Callable[[], Encode]]] = {  # packages, number format of the peak, how to load
    "sentence-transformers, default": ([], "float32", sentence_transformers),
    "ours, one process, all threads": ([], "float32", ours_in_this_process),
    "ours, one process per core": ([], "float32", ours),
    "ONNX Runtime fp32": (["onnxruntime", "onnx"], "float32", onnxruntime),
    "OpenVINO fp32": (["openvino"], "float32", openvino),
    "OpenVINO int8": (["openvino", "nncf"], "float32", lambda: openvino(int8=True)),
    "sentence-transformers, bf16": ([], "bfloat16", lambda: sentence_transformers("bfloat16")),
    "ours, bf16, one process per core": ([], "bfloat16", lambda: ours("bf16")),
}

if __name__ == "__main__":
    main()
