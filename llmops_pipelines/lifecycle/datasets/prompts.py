"""Prompts: the one text form in which training, evaluation and users meet the model. A prompt is a file of `configs/prompts/`.

`prompt` and `completion` speak the product's default; `configs/prompts/product.yaml` says the same.
"""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from llmops_pipelines.config.datasets import SLOT, PromptFile
from llmops_pipelines.config.loader import load_words
from llmops_pipelines.lifecycle.compute.chat import Message
from llmops_pipelines.lifecycle.lake import digest

TAG = re.compile(r"</?(\w+)>")


@dataclass(frozen=True)
class Prompt:
    """How passages and a question become text, and an answer is read from text."""

    words: PromptFile

    @classmethod
    def load(cls, path: Path, project: Path = Path()) -> "Prompt":
        """The prompt of a file, `path` below `project`. Raises `ConfigMistakes` with file and line of every mistake."""
        return cls(load_words(project / path, project, PromptFile))

    @cached_property
    def digest(self) -> str:
        """sha256 of everything that decides the text; the description does not."""
        return digest(self.words.model_dump(exclude={"description"}))

    @property
    def reads_passages(self) -> bool:
        return "context" in SLOT.findall(self.words.template)

    def render(self, passages: list[str], question: str, answer: str = "") -> str:
        """What a model that continues text reads. Its completion is a space and the answer; training adds the end mark."""
        shots = [
            self._filled(shot.context, shot.question, shot.answer) + self.completion(shot.answer, shot.reasoning)
            for shot in self.words.few_shot
        ]
        parts = [self.words.system.strip(), *shots, self._filled(self._context(passages), question, answer)]
        return "\n\n".join(part for part in parts if part)

    def messages(self, passages: list[str], question: str, answer: str = "") -> list[Message]:
        """The same for a model that chats: the examples as turns of their own."""
        turns = [Message("system", self.words.system.strip())] if self.words.system.strip() else []
        for shot in self.words.few_shot:
            turns.append(Message("user", self._filled(shot.context, shot.question, shot.answer)))
            turns.append(Message("assistant", self.completion(shot.answer, shot.reasoning).strip()))
        return [*turns, Message("user", self._filled(self._context(passages), question, answer))]

    def completion(self, answer: str, reasoning: str = "") -> str:
        """What the model is to write after `render`. `reasoning` is used by prompts that reason first."""
        said = _one_line(answer)
        if self.words.chain_of_thought:
            said = " ".join(part for part in (_one_line(reasoning), self.words.answer_marker, said) if part)
        return said if self.words.template[-1].isspace() else f" {said}"

    def answer_of(self, text: str) -> str:
        """The answer in what the model wrote. Empty when it reasoned and came to no answer.

        A model that merely continues text goes on with the next example; that part is cut off.
        """
        if (head := self.words.template.split("{", 1)[0].strip()) and self.words.few_shot:
            text = text.split(f"\n\n{head}", 1)[0]
        if self.words.chain_of_thought:
            _, mark, text = text.rpartition(self.words.answer_marker)
            if not mark:
                return ""
        return text.strip()

    def _context(self, passages: list[str]) -> str:
        return self.words.separator.join(passage.strip() for passage in passages)

    def _filled(self, context: str, question: str, answer: str) -> str:
        """All slots at once, so that a slot's name inside a passage stays what it is: text. So do the template's own tags."""
        values = {"context": context, "question": _one_line(question), "answer": _one_line(answer)}
        return SLOT.sub(lambda slot: self._harmless(values[slot[1]]), self.words.template)

    def _harmless(self, text: str) -> str:
        """Without the tags that the template quotes foreign text with: nobody ends the quotation from inside."""
        for name in set(TAG.findall(self.words.template)):
            text = re.sub(rf"<(?=\s*/?\s*{name}\b)", "\u2039", text, flags=re.IGNORECASE)
        return text


PRODUCT = Prompt(
    PromptFile(
        description="The product's own form: passages, question, answer.",
        template="Context:\n{context}\n\nQuestion: {question}\nAnswer:",
    )
)


def prompt(passages: list[str], question: str) -> str:
    """What the model reads in the product's default form."""
    return PRODUCT.render(passages, question)


def completion(answer: str) -> str:
    return PRODUCT.completion(answer)


def _one_line(text: str) -> str:
    return " ".join(text.split())
