"""A job in the words of TRL and PEFT. Each argument that is not the library's default has its reason here."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from peft import LoraConfig
    from transformers import BitsAndBytesConfig
    from trl import DPOConfig, SFTConfig

    from .job import Job

OPTIMIZERS = {"adamw": "adamw_torch_fused", "adamw_8bit": "paged_adamw_8bit", "sgd": "sgd"}
SCHEDULES = {"linear": "linear", "cosine": "cosine", "constant": "constant_with_warmup"}


def adapter(words: dict[str, Any]) -> "LoraConfig":
    from peft import LoraConfig

    return LoraConfig(
        r=words["rank"],
        lora_alpha=words["alpha"],
        lora_dropout=words["dropout"],
        target_modules=words["target_modules"],
        task_type="CAUSAL_LM",
    )


def four_bits() -> "BitsAndBytesConfig":
    """The base of qlora: 4-bit NormalFloat with quantised constants (Dettmers et al. 2023, arXiv 2305.14314)."""
    import torch
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=torch.bfloat16
    )


def trainer(job: "Job", gpu: bool, bf16: bool, steps: int) -> "SFTConfig | DPOConfig":
    from trl import DPOConfig, SFTConfig

    recipe = job.recipe
    words = {
        "output_dir": str(job.checkpoints),
        "per_device_train_batch_size": recipe["batch_size"],
        "gradient_accumulation_steps": recipe["accumulate"],
        "num_train_epochs": recipe["epochs"],
        "max_steps": steps,
        "optim": OPTIMIZERS[recipe["optimizer"]],
        "learning_rate": recipe["learning_rate"],
        "lr_scheduler_type": SCHEDULES[recipe["schedule"]],
        "warmup_steps": recipe["warmup"],  # below 1: a share of all steps
        "weight_decay": recipe["weight_decay"],
        "max_grad_norm": recipe["clip"],
        # Not train_sampling_strategy="group_by_length": it draws from torch's global generator, so that a resumed run
        # would see the examples in another order.
        "seed": recipe["seed"],
        "data_seed": recipe["seed"],
        "save_strategy": "steps",
        "save_steps": recipe["save_every"],
        "logging_steps": 1,
        "logging_nan_inf_filter": False,  # the default shows the mean of before instead of NaN
        "report_to": [],
        "disable_tqdm": True,
        "use_cpu": not gpu,
        "ddp_backend": "nccl" if gpu else "gloo",
        "bf16": bf16,
        "deepspeed": job.deepspeed,
        "gradient_checkpointing": recipe["recompute"],  # TRL's default is yes: memory for a third more time
        "max_length": None,  # rows.check refused what is too long
        "dataloader_pin_memory": gpu,
    }
    if recipe["method"] == "dpo":
        return DPOConfig(**words, beta=recipe["beta"])
    return SFTConfig(**words, dataset_kwargs={"skip_prepare_dataset": True})  # rows.read did it


def in_bf16(job: "Job", gpu: bool) -> bool:
    """Whether to train in bf16: as the recipe says, else as the DeepSpeed file says, else as the hardware likes it."""
    if job.recipe["precision"] != "auto":
        return job.recipe["precision"] == "bf16"
    said = job.deepspeed.get("bf16", {}).get("enabled", "auto")
    return (job.recipe["method"] == "qlora" or has_bf16(gpu)) if said == "auto" else said


def has_bf16(gpu: bool) -> bool:
    """Whether the hardware multiplies bf16 itself: then LoRA steps take about 0.6 of the time; elsewhere fp32 is faster."""
    import torch

    if gpu:
        return torch.cuda.is_bf16_supported(including_emulation=False)
    able = torch.cpu.get_capabilities()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16"))
