"""Models of a few thousand weights, made in place: a random Llama over bytes, adapters for it, models that say one thing."""

import warnings
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

END, PAD = "</s>", "<pad>"


def tokenizer_over_bytes(first: str) -> PreTrainedTokenizerFast:
    """Every byte is a token, and `first` (END, or a byte as the alphabet spells it) is token 0."""
    tokens = [first, *(token for token in [END, PAD, *sorted(pre_tokenizers.ByteLevel.alphabet())] if token != first)]
    core = Tokenizer(models.BPE({token: place for place, token in enumerate(tokens)}, []))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=core, eos_token=END, pad_token=PAD)


def tiny_llama(folder: Path, *, first: str = END, silent: bool = False, layers: int = 2, width: int = 32) -> Path:
    """A random model. A `silent` one finds all tokens equally likely, so that greedy decoding always takes token 0."""
    torch.manual_seed(0)
    tokenizer = tokenizer_over_bytes(first)
    sizes = {"hidden_size": width, "intermediate_size": 48, "num_attention_heads": 2, "num_hidden_layers": layers}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), max_position_embeddings=256, **sizes))
    if silent:
        torch.nn.init.zeros_(model.lm_head.weight)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def adapter_for(folder: Path, target: Path, *, active: bool) -> Path:
    """A LoRA adapter as training makes it: before the first step it changes nothing, an `active` one does."""
    torch.manual_seed(1)
    lora = LoraConfig(r=4, lora_alpha=16, target_modules="all-linear")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)  # PEFT asks transformers
        model = get_peft_model(LlamaForCausalLM.from_pretrained(folder), lora)
    if active:
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(weight)
    model.save_pretrained(target)
    return target
