"""The model card of the bootstrap's model: what readers of the model folder must know. Measured figures are filled in."""

TEMPLATE = """\
---
license: apache-2.0
language: en
library_name: transformers
pipeline_tag: text-generation
---

# A small base model that can copy an answer out of its context

A Llama of {parameters} parameters ({layers} layers, width {width}, vocabulary {vocabulary}, context {context} tokens, tied
embeddings, bf16), trained from scratch. It exists so that the quickstart can fine-tune, evaluate and release a real model in
minutes on a laptop, with no model hub. It is a base model: it knows neither the product's prompt nor that an answer may be
missing.

## Training

* **Data:** drills generated from a seed (random-token copying, key and value recall, invented passages with questions), and
  cloze questions and questions made by rules over those quickstart documents that are on the training side of the product's
  split, with names, figures and words partly exchanged. The held-out documents and all quickstart questions were not used, and
  no other text was.
* **Amount:** {tokens} tokens, {minutes} minutes on {threads} shared CPU cores, rows of up to {longest} tokens.
* **Made by:** `python -m llmops_pipelines.lifecycle.training.bootstrap.train configs/recipes/quickstart_bootstrap.yaml`

## Measured

Share of {drills} unseen drills, contexts of up to about 300 tokens, whose answer is exact token by token (greedy):

| drill | accuracy |
|---|---|
{measured}

`recall`: keys and values; `statements`: invented passages; `text`: cloze questions over real passages; `natural`: questions
made by rules over real passages. Passages of the last two were in training under other names and figures, so these two say
little about new documents.

## Limits

* It can repeat what a context says and nothing else: it has no knowledge of the world, no dialogue, no reasoning.
* It follows words, not meaning: questions that share no words with their passage mostly fail.
* Trained on rows of at most {longest} tokens; longer prompts are untested. English only.
* The run is deterministic in its data; floating-point results differ slightly between machines.

Licence: Apache-2.0.
"""


def model_card(**facts: object) -> str:
    """The card with its blanks filled."""
    return TEMPLATE.format(**facts)
