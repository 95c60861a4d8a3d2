"""Training: real tokens a second and the useful share of the work; ours packed and not, beside the plain Trainer and TRL.

Run: python benchmarks/training.py [--steps 30]. With an NVIDIA GPU it also trains a Llama of 0.8 billion weights there
(LoRA, bf16), beside TRL as it comes, and says how much of the chip is used; --gpu runs that alone.
"""

import argparse
import os
import tempfile
from pathlib import Path

from training_runs import Speed, make_model, make_table, ours, peer

PEAK = 989e12  # dense bf16 FLOP/s of an H100 or H200 (NVIDIA's datasheet)


def on_processors(steps: int, folder: Path) -> list[Speed | None]:
    model, table = folder / "tiny", folder / "tiny.parquet"
    make_model(model, "tiny")
    make_table(table, 24 * steps, "tiny", median=110, longest=512)
    words = {"deepspeed": "configs/deepspeed/zero2.json", "budget": {"steps": steps}, "max_tokens": 512, "epochs": 3}
    skip = min(5, steps // 3)

    def run(name: str, batch_size: int, **more) -> Speed:
        return ours(name, model, table, folder / name, skip, **words, batch_size=batch_size, **more)

    return [
        run("ours, packed", 3, packing=True),  # about as many tokens a step as 16 examples have
        run("ours, padded", 8),
        run("ours, padded, fp32", 8, precision="fp32"),
        peer("transformers.Trainer, fp32", "trainer", model, table, steps, 16, skip),
        peer("transformers.Trainer, bf16", "trainer-bf16", model, table, steps, 16, skip),
    ]


def on_gpu(steps: int, folder: Path) -> tuple[list[Speed | None], int]:
    model, table = folder / "large", folder / "large.parquet"
    weights = make_model(model, "large")
    make_table(table, 140 * steps, "large", median=240, longest=2048)
    words = {"deepspeed": "configs/deepspeed/zero1.json", "ranks": 1, "budget": {"steps": steps}, "max_tokens": 2048}
    words |= {"epochs": 3}
    skip = min(10, steps // 2)

    def run(name: str, **more) -> Speed:
        return ours(name, model, table, folder / name, skip, **words, **more)

    return [
        run("ours, packed, compiled", batch_size=16, packing=True, compile=True),
        run("ours, packed", batch_size=16, packing=True),
        run("ours, padded", batch_size=32),
        run("ours, packed, ZeRO-3", batch_size=16, packing=True, deepspeed="configs/deepspeed/zero3.json"),
        peer("TRL as it comes", "trl", model, table, max(steps, 40), 8, skip),
    ], weights


def show(title: str, speeds: list[Speed | None], weights: int | None = None) -> None:
    print(f"\n{title}\n")
    columns = ["", "tokens/s", "to the last", "useful", "GB", "loss", "steps"]
    if weights is not None:
        columns.append("share of the chip (4N)")
    print(f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|")
    ran = [speed for speed in speeds if speed]
    for each in ran:
        memory = "" if each.gigabytes is None else f"{each.gigabytes:.1f}"
        cells = [each.name, f"{each.tokens:,.0f}", f"{each.tokens / ran[-1].tokens:.2f} x", f"{each.useful:.0%}", memory]
        cells += [f"{each.loss:.2f}", str(each.steps)]
        if weights is not None:
            cells.append(f"{4 * weights * each.tokens / PEAK:.1%}")
        print(f"| {' | '.join(cells)} |")


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--steps", type=int, default=30)
    words.add_argument("--gpu", action="store_true", help="only the part for an NVIDIA GPU")
    given = words.parse_args()
    import torch

    if not torch.cuda.is_available():
        os.environ.setdefault("DS_ACCELERATOR", "cpu")  # else DeepSpeed says that it chose that
    with tempfile.TemporaryDirectory() as folder:
        if not given.gpu:
            show("Tiny Llama (3.4 M weights) on processors", on_processors(given.steps, Path(folder)))
        if torch.cuda.is_available():
            speeds, weights = on_gpu(given.steps, Path(folder))
            show(f"Llama with {weights / 1e9:.2f} B multiplying weights on {torch.cuda.get_device_name()}", speeds, weights)


if __name__ == "__main__":
    main()
