import shutil

import pytest

from llmops_pipelines.lifecycle.evaluation.generation import GenerationError, Generator

from .tiny_models import END, tiny_llama

PROMPTS = ["Context:\nThe lamp is red.\n\nQuestion: What is red?\nAnswer:", "Short", "A prompt of some other length"]


def test_answers_keep_the_order_of_prompts_and_do_not_depend_on_the_batch(tiny):
    generator = Generator.open(tiny / "base")
    together = generator.answer(PROMPTS, 8)
    assert together == [generator.answer([prompt], 8)[0] for prompt in PROMPTS]
    assert len(set(together)) > 1  # the control: prompts matter to this model
    assert together == generator.answer(PROMPTS, 8)
    assert generator.answer([], 8) == []


def test_an_adapter_that_was_not_trained_changes_nothing_and_a_trained_one_does(tiny):
    base, idle, active = (
        Generator.open(tiny / "base", adapter).answer(PROMPTS, 8) for adapter in (None, tiny / "idle", tiny / "active")
    )
    assert idle == base
    assert active != base


@pytest.mark.parametrize(("first", "text", "tokens"), [("a", "aaaaaa", 6), (END, "", 1), ("Ċ", "", 1)])
def test_an_answer_ends_at_the_end_token_a_line_break_or_the_limit(tmp_path, first, text, tokens):
    generator = Generator.open(tiny_llama(tmp_path, first=first, silent=True))
    (made,) = generator.generate(["Hello"], 6)
    assert (made.text, made.tokens) == (text, tokens)
    assert made.milliseconds > 0


def test_sampling_settings_saved_with_the_model_are_not_used(tmp_path):
    folder = tiny_llama(tmp_path)
    plain = Generator.open(folder).answer(PROMPTS, 8)
    (folder / "generation_config.json").write_text('{"do_sample": true, "temperature": 1.9, "eos_token_id": 5}')
    assert Generator.open(folder).answer(PROMPTS, 8) == plain


def test_bf16_can_be_asked_for(tiny):
    import torch

    assert Generator.open(tiny / "base", precision="bf16").model.dtype == torch.bfloat16
    assert Generator.open(tiny / "base", precision="fp32").model.dtype == torch.float32


def test_a_prompt_that_the_model_cannot_read_whole_is_refused(tiny):
    with pytest.raises(GenerationError, match="a prompt has 300 tokens and its answer may take 4, but the model reads 256"):
        Generator.open(tiny / "base").answer(["x" * 300], 4)


def test_an_adapter_of_a_deeper_model_is_refused(tiny, tmp_path):
    shallow = tiny_llama(tmp_path, layers=1)
    with pytest.raises(GenerationError, match=r"14 of its 28 tensors have no layer, 0 layers have no tensor"):
        Generator.open(shallow, tiny / "active")


def test_an_adapter_of_a_wider_model_is_refused(tiny, tmp_path):
    wide = tiny_llama(tmp_path, width=48)
    with pytest.raises(GenerationError, match="the adapter does not fit the model"):
        Generator.open(wide, tiny / "active")


def test_an_adapter_with_a_part_missing_is_refused(tiny, tmp_path):
    from safetensors.numpy import load_file, save_file

    part = shutil.copytree(tiny / "active", tmp_path / "part")
    tensors = load_file(part / "adapter_model.safetensors")
    del tensors[next(name for name in tensors if "lora_B" in name)]
    save_file(tensors, part / "adapter_model.safetensors")
    with pytest.raises(GenerationError, match="0 of its 27 tensors have no layer, 1 layers have no tensor"):
        Generator.open(tiny / "base", part)


def test_a_model_that_may_reason_goes_on_after_a_line_break(tmp_path):
    generator = Generator.open(tiny_llama(tmp_path, first="Ċ", silent=True))
    lines = [generator.generate(["Hello"], 6, one_line=one_line)[0] for one_line in (True, False)]
    assert [(made.tokens, made.tokens_in) for made in lines] == [(1, 5), (6, 5)]  # every byte is a token


def test_a_model_loaded_in_another_way_answers_like_one_that_was_opened(tiny):
    from transformers import LlamaForCausalLM

    loaded = Generator.of(LlamaForCausalLM.from_pretrained(tiny / "base"), tiny / "base")
    assert loaded.answer(PROMPTS, 8) == Generator.open(tiny / "base").answer(PROMPTS, 8)
