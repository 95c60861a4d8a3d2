"""A job in the words of TRL and PEFT. Each argument that is not the library's default has its reason here."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from peft import LoraConfig
    from trl import SFTConfig

    from .job import Job


def adapter(words: dict[str, Any]) -> "LoraConfig":
    from peft import LoraConfig

    return LoraConfig(
        r=words["rank"],
        lora_alpha=words["alpha"],
        lora_dropout=words["dropout"],
        target_modules=words["target_modules"],
        task_type="CAUSAL_LM",
    )


def trainer(job: "Job", gpu: bool) -> "SFTConfig":
    from trl import SFTConfig

    recipe = job.recipe
    bf16 = job.deepspeed.get("bf16", {}).get("enabled", False)
    return SFTConfig(
        output_dir=str(job.checkpoints),
        per_device_train_batch_size=recipe["batch_size"],
        num_train_epochs=recipe["epochs"],
        learning_rate=recipe["learning_rate"],
        warmup_steps=recipe["warmup"],  # below 1: a share of all steps
        weight_decay=0.0,
        # Not train_sampling_strategy="group_by_length": it draws from torch's global generator, so that a resumed run
        # would see the examples in another order.
        seed=recipe["seed"],
        data_seed=recipe["seed"],
        save_strategy="steps",
        save_steps=recipe["save_every"],
        logging_steps=1,
        logging_nan_inf_filter=False,  # the default shows the mean of before instead of NaN
        report_to=[],
        disable_tqdm=True,
        use_cpu=not gpu,
        ddp_backend="nccl" if gpu else "gloo",
        bf16=has_bf16(gpu) if bf16 == "auto" else bf16,
        deepspeed=job.deepspeed,
        gradient_checkpointing=False,  # saves memory that a LoRA run does not need, for a third more time
        max_length=None,  # rows.check refused what is too long
        dataset_kwargs={"skip_prepare_dataset": True},  # rows.read did it
        dataloader_pin_memory=gpu,
    )


def has_bf16(gpu: bool) -> bool:
    """Whether the hardware multiplies bf16 itself: then LoRA steps take about 0.6 of the time; elsewhere fp32 is faster."""
    import torch

    if gpu:
        return torch.cuda.is_bf16_supported(including_emulation=False)
    able = torch.cpu.get_capabilities()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16"))
