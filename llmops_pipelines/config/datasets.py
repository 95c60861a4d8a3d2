"""Words about questions, feedback, prompts and training data made by a language model: sections of a pipeline's YAML, and
the files under `configs/prompts/`. Where models are asked is said by `endpoints.py`.
"""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from .endpoints import ChatEndpoint
from .words import ExistingPath, Positive, Share, Words, did_you_mean

SLOTS = ("context", "question", "answer")
SLOT = re.compile(r"\{(\w+)\}")


class Questions(Words):
    """Questions with known answers: what quality is measured with."""

    path: ExistingPath = Field(
        description="Folder or pattern of JSON Lines files: id, question, answers, documents, answerable; optional are author, "
        "reviewed_by, supersedes, topic and language"
    )
    held_out: float = Field(0.5, gt=0, lt=1, description="Share of document clusters kept for evaluation, never trained on")


class Feedback(Words):
    """What people said about answers: ratings, corrections, preferred answers."""

    path: ExistingPath = Field(
        description="Folder or pattern of JSON Lines files: id, question, answer, rating (good or bad), correction, preferred, "
        "author, time, release"
    )
    learn_from: list[Literal["correction", "preferred", "good"]] = Field(
        ["correction", "preferred", "good"], description="Which answers of people become training examples"
    )
    passages: Positive = Field(5, description="Passages looked up per question, among which the one with the answer must be")


class WrittenPairs(Words):
    """Question-answer pairs that a language model writes about training passages, each checked against its passage."""

    teacher: ChatEndpoint = Field(description="The model that writes them, and what that may cost")
    terms: str = Field(
        min_length=3,
        description="Licence or terms under which the teacher's answers may be learnt from; recorded with them",
    )
    per_document: Positive = Field(4, description="Pairs asked for from each training document")
    grounded: Share = Field(0.6, description="Share of the words of question and answer that must stand in the passage")
    round_trip: bool = Field(True, description="Ask the teacher its own question again; another answer rejects the pair")
    prompt: ExistingPath = Field(
        "configs/prompts/write_pairs.yaml", description="Prompt file that asks for pairs; {question} is how many"
    )
    round_trip_prompt: ExistingPath = Field(
        "configs/prompts/answer_briefly.yaml", description="Prompt file that asks the teacher its own question again"
    )
    most_tokens: Positive = Field(
        2_000_000, description="Tokens, read and written, that one run may use; passages beyond that wait for the next run"
    )


class Decontamination(Words):
    """How alike training and evaluation may be."""

    similarity: Share = Field(
        0.9, description="Cosine of two questions from which they count as the same, when they also have the same answer"
    )
    window: Positive = Field(13, description="Words in a row that no training example may share with an evaluation question")


def _template(text: str) -> str:
    found = SLOT.findall(text)
    if unknown := [name for name in found if name not in SLOTS]:
        raise ValueError(
            f"{{context}}, {{question}} or {{answer}} in braces, not {{{unknown[0]}}}{did_you_mean(unknown[0], SLOTS)}"
        )
    if "question" not in found:
        raise ValueError("a text with {question} in it")
    return text


Template = Annotated[str, AfterValidator(_template)]


class Shot(Words):
    """A worked example in a prompt."""

    context: str = Field("", description="Its passages")
    question: str = Field(min_length=1, description="Its question")
    answer: str = Field(min_length=1, description="Its answer")
    reasoning: str = Field("", description="What leads to the answer; for prompts with chain_of_thought")


class PromptFile(Words):
    """One file under `configs/prompts/`: how passages and question become what a model reads."""

    description: str = Field(description="One sentence: what this prompt is for")
    template: Template = Field(description="The text, with {context}, {question} and, to verify one, {answer}")
    separator: str = Field("\n\n", description="What stands between two passages")
    system: str = Field("", description="Instruction before everything else")
    few_shot: list[Shot] = Field([], description="Worked examples, shown before the question in the same template")
    chain_of_thought: bool = Field(False, description="The model thinks in words first; only the answer is used")
    answer_marker: str = Field("So the answer is:", min_length=1, description="What parts reasoning from answer")
