"""Attention over packed rows on an NVIDIA GPU: torch's own variable-length kernel, which reads each example by itself.

Registered with transformers under `NAME`. Elsewhere, and for rows that are not packed, transformers' usual attention is used.
"""

from typing import Any

NAME = "packed_varlen"


def register() -> str:
    """Make `NAME` known to transformers and return it."""
    from transformers import AttentionInterface

    AttentionInterface.register(NAME, attend)  # without a mask function of its own: no mask is made
    return NAME


def attend(module: Any, query: Any, key: Any, value: Any, attention_mask: Any, scaling: float | None = None, **words: Any):
    """Causal: [batch, heads, tokens, width] -> [batch, tokens, heads, width]; `cu_seq_lens_q` says where examples end."""
    from torch.nn.attention.varlen import varlen_attn
    from transformers.integrations.sdpa_attention import repeat_kv, sdpa_attention_forward

    ends = words.get("cu_seq_lens_q")
    if ends is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, scaling=scaling, **words)
    groups = query.shape[1] // key.shape[1]
    if groups > 1:
        key, value = repeat_kv(key, groups), repeat_kv(value, groups)
    flat = [states.transpose(1, 2).flatten(0, 1) for states in (query, key, value)]
    longest = words["max_length_q"]
    mixed = varlen_attn(*flat, ends, ends, longest, longest, scale=scaling, window_size=(-1, 0))  # (-1, 0): causal
    return mixed.unflatten(0, (query.shape[0], query.shape[2])), None
