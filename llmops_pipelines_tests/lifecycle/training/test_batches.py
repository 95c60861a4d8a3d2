"""Batches: examples packed into one row do not see each other, and only real tokens are counted."""

import subprocess
import sys

import pytest

# In a process of its own, like the training: torch stays out of this one. A model must give a packed example the very
# logits that it gives it alone; a collator that forgot where examples end must not.
SCRIPT = """
import sys
import torch
from transformers import AutoModelForCausalLM
from llmops_pipelines.lifecycle.training import batches

examples = [[5, 6, 7, 8], [9, 10, 11], [12, 13]]
rows = [
    {"input_ids": examples[0] + examples[1], "labels": examples[0] + examples[1], "seq_lengths": [4, 3]},
    {"input_ids": examples[2], "labels": examples[2], "seq_lengths": [2]},
]
batch = batches.packed_rows(rows)
assert batch["input_ids"].shape == (2, 7) and batch.pop(batches.REAL) == 9
assert batch["position_ids"].tolist() == [[0, 1, 2, 3, 0, 1, 2], [0, 1, 0, 0, 0, 0, 0]]
assert batch["labels"].tolist() == [[-100, 6, 7, 8, -100, 10, 11], [-100, 13, -100, -100, -100, -100, -100]]
labels = batch.pop("labels")
model = AutoModelForCausalLM.from_pretrained(sys.argv[1]).eval()
with torch.no_grad():
    packed = model(**batch, use_cache=False).logits  # as TRL calls it
    blind = model(input_ids=batch["input_ids"], use_cache=False).logits
    alone = [model(input_ids=torch.tensor([ids])).logits[0] for ids in examples]
places = [packed[0, :4], packed[0, 4:], packed[1, :2]]
assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(places, alone)), "as if each were alone"
assert not torch.allclose(blind[0, 4:], alone[1], atol=1e-3), "the control: without positions they see each other"

import torch.nn.attention.varlen as kernels
from llmops_pipelines.lifecycle.training import attention


def one_by_one(query, key, value, ends, ends_k, longest, longest_k, scale, window_size):
    "What torch's kernel, which runs on NVIDIA GPUs only, is documented to do."
    assert window_size == (-1, 0) and ends.dtype == torch.int32 and longest >= int(ends.diff().max())
    out = torch.empty_like(query)
    for first, last in zip(ends[:-1].tolist(), ends[1:].tolist()):
        if first < last:
            parts = [states[first:last].transpose(0, 1)[None] for states in (query, key, value)]
            mixed = torch.nn.functional.scaled_dot_product_attention(*parts, is_causal=True, scale=scale)
            out[first:last] = mixed[0].transpose(0, 1)
    return out


kernels.varlen_attn = one_by_one
model.set_attn_implementation(attention.register())
collate = batches.flat_rows(16)
flat = collate(rows)
assert flat["input_ids"].shape == (1, 32) and flat.pop(batches.REAL) == 9
again = collate([{**rows[1]}, {"input_ids": list(range(2, 18)), "labels": list(range(2, 18)), "seq_lengths": [16]}])
assert {name: getattr(each, "shape", each) for name, each in again.items() if name != batches.REAL} == {
    name: getattr(each, "shape", each) for name, each in flat.items()
}, "always of one shape"
flat.pop("labels")
with torch.no_grad():
    flat = model(**flat, use_cache=False).logits[0]
places = [flat[:4], flat[4:7], flat[16:18]]
assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(places, alone)), "the same for the kernel of GPUs"

padded = batches.counted(lambda rows: {"attention_mask": torch.tensor([[1, 1, 0]])})([])
assert padded[batches.REAL] == 2
"""


@pytest.mark.slow
def test_packed_examples_do_not_see_each_other(tiny_model):
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", SCRIPT, str(tiny_model)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
