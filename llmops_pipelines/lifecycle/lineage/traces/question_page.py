"""How a question is shown: answers and scores side by side, the passages of then and now, and the prompt."""

import difflib

from ..page import Block, Cell, Edit, Facts, Page, Table, Value
from .question import Heard, QuestionTrace

LONG = 200  # characters of a passage that are shown in a table


def question_page(found: QuestionTrace) -> Page:
    """The page of one question."""
    blocks: list[Block] = [_question(found), _answers(found), _scores(found)]
    blocks += [_passages(title, heard) for title, heard in _columns(found) if heard.passages]
    blocks += _prompt(found)
    return Page(
        title=f"A question to release {found.release} of {found.pipeline}",
        answer=_answer(found),
        blocks=[block for block in blocks if not isinstance(block, Table) or block.rows],
        mark="bad" if found.differs or found.not_asked else "good" if found.then and found.now else "",
        next=[("what the release is made of", f"llmops lineage {found.pipeline} {found.release}")],
    )


def _answer(found: QuestionTrace) -> str:
    if found.differs:
        return f"{found.differs[0][:1].upper()}{found.differs[0][1:]}" + (
            f", and {len(found.differs) - 1} more differences." if len(found.differs) > 1 else "."
        )
    if found.not_asked:
        return f"It could not be asked again: {found.not_asked}"
    if found.then and found.now:
        return "Release and records agree: the same passages, prompt, answer and scores as then."
    return f"Release {found.release} {'answered' if found.then else 'answers'} {(found.then or found.now).answer!r}."


def _columns(found: QuestionTrace) -> list[tuple[str, Heard]]:
    named = [("then", found.then), ("now", found.now)]
    named += [(f"release {found.live.release}, live now", found.live)] if found.live else []
    return [(title, heard) for title, heard in named if heard]


def _question(found: QuestionTrace) -> Facts:
    values: dict[str, Value] = {"question": found.question, "id": found.question_id or "none: it is no evaluation question"}
    if found.question_id:
        values["right answers"] = " | ".join(found.references)
        values["right documents"] = ", ".join(found.documents) or "none"
    for number, sentence in enumerate(found.differs, start=1):
        values[f"difference {number}"] = Cell(sentence, "bad")
    if found.not_asked:
        values["asked now"] = Cell(found.not_asked, "bad")
    return Facts("Question", values)


def _answers(found: QuestionTrace) -> Table:
    rows = [(title, heard.answer or "none", _became(heard), _fits(heard)) for title, heard in _columns(found)]
    return Table("Answers", ("", "answer", "what became of it", "prompt"), rows)


def _became(heard: Heard) -> Value:
    if heard.error:
        return Cell(heard.error, "bad")
    if heard.withdrawn:
        return f"{heard.withdrawn!r} was withdrawn: the passages did not support it"
    return "refused" if heard.refused else "answered"


def _fits(heard: Heard) -> Value:
    if heard.prompt_fits is None:
        return heard.prompt_digest[:12] or "none recorded"
    said = f"{heard.prompt_digest[:12]}, {'as' if heard.prompt_fits else 'not as'} recorded"
    return Cell(said, "good" if heard.prompt_fits else "bad")


def _scores(found: QuestionTrace) -> Table:
    columns = [(title, heard) for title, heard in _columns(found) if heard.scores]
    metrics = sorted({metric for _, heard in columns for metric in heard.scores})
    rows = [(metric, *(_number(heard.scores.get(metric)) for _, heard in columns)) for metric in metrics]
    return Table("Scores of this question", ("metric", *(title for title, _ in columns)), rows)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _passages(title: str, heard: Heard) -> Table:
    rows = [
        (rank, each.doc_id, each.chunk_id, "yes" if each.read else "", _number(each.score), _begin(each.text))
        for rank, each in enumerate(heard.passages, start=1)
    ]
    return Table(f"Passages, {title}", ("rank", "document", "chunk", "read", "score", "text"), rows)


def _begin(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= LONG else f"{words[:LONG].rsplit(' ', 1)[0]} ..."


def _prompt(found: QuestionTrace) -> list[Block]:
    then, now = (heard.prompt if heard else "" for heard in (found.then, found.now))
    if then and now and then != now:
        lines = [line for line in difflib.ndiff(then.splitlines(), now.splitlines()) if line[0] in " -+"]
        return [Edit("Prompt, then and now", [(line[0], line[2:]) for line in lines])]
    return [Edit("Prompt", [(" ", line) for line in (then or now).splitlines()])] if then or now else []
