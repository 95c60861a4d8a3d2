"""Faults in the documents of a good product, for `blame_cases.py`: lies, edits, deletions, and changes that do no harm.

A fault edits files of the project as people do, and returns the truth about it.
"""

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blame_world import HELD_OUT, World, by_hash

from llmops_pipelines.lifecycle.datasets.splits import side
from llmops_pipelines.lifecycle.evaluation.extractive import kind_of

Question = dict[str, Any]


@dataclass(frozen=True)
class Truth:
    """The guilty parts, any order; none when nothing is guilty. Of `documents` all must be named; those `beside` were changed
    too, and naming them is no mistake. `better` is true of a change for the better."""

    parts: tuple[str, ...] = ()
    documents: frozenset[str] = frozenset()
    beside: frozenset[str] = frozenset()
    better: bool = False


def asked_about(world: World) -> dict[str, list[Question]]:
    """Document -> the evaluation questions that are answered well from it; those of many first, else in no order."""
    found: dict[str, list[Question]] = {}
    well = world.right()
    for row in world.held_out():
        if row["id"] not in well:
            continue
        found.setdefault(row["documents"][0] if len(row["documents"]) == 1 else _right(world, row), []).append(row)
    return {name: found[name] for name in sorted(by_hash(list(found)), key=lambda name: -len(found[name]))}


def _right(world: World, row: Question) -> str:
    return next(line["documents"][0] for line in world.asked() if line["id"] == row["id"])


def path_of(world: World, doc_id: str) -> Path:
    return world.documents / doc_id.partition("/")[2]


def edit(world: World, doc_id: str, change: Callable[[str], str]) -> None:
    file = path_of(world, doc_id)
    file.write_text(change(file.read_text("utf-8")), "utf-8")


def wrong_answer(row: Question, rows: Sequence[Question]) -> str:
    """The answer to another question of the same kind about another article: fluent, and wrong."""
    other = [
        each["answers"][0]
        for each in rows
        if kind_of(each["question"]) == kind_of(row["question"])
        and each["cluster"] != row["cluster"]
        and not {w.lower() for a in row["answers"] for w in a.split()} & {w.lower() for w in each["answers"][0].split()}
    ]
    return random.Random(row["id"]).choice(sorted(other))


def lie(row: Question, rows: Sequence[Question], form: str = "{question}? {question}: {wrong}.") -> str:
    """A text that is found for the question and answers it wrongly (after PoisonedRAG, arXiv 2402.07867)."""
    return form.format(question=row["question"].rstrip("?"), wrong=wrong_answer(row, rows))


def poisoned(world: World) -> Truth:
    """Five documents get a section that repeats questions about other documents and answers them wrongly."""
    rows, about = world.held_out(), list(asked_about(world).items())
    guilty, victims = [name for name, _ in about[-5:]], [row for _, asked in about[:14] for row in asked]
    for number, name in enumerate(guilty):
        lies = "\n\n".join(lie(row, rows) for row in victims[number::5])
        edit(world, name, lambda text, lies=lies: f"{text}\n## Frequently asked\n\n{lies}\n")
    return Truth(("documents",), frozenset(guilty))


def poisoned_in_a_crowd(world: World) -> Truth:
    """The same on a day on which forty other documents got a new last line, which moves the border of some chunks."""
    truth = poisoned(world)
    others = [name for name in by_hash(list(asked_about(world))) if name not in truth.documents][:40]
    for name in others:
        edit(world, name, lambda text: f"{text}\nThis page was looked through in spring.\n")
    return Truth(truth.parts, truth.documents, beside=frozenset(others))


def poison_added(world: World) -> Truth:
    """Five new documents, each with wrong answers to other questions."""
    rows, about = world.held_out(), list(asked_about(world).items())
    victims = [row for _, asked in about[14:28] for row in asked]
    return _added(world, {f"faq/{number}.md": [lie(row, rows) for row in victims[number::5]] for number in range(5)})


def poison_repeated(world: World) -> Truth:
    """Five new documents with the same wrong answers in other words: each alone does the harm."""
    rows, about = world.held_out(), list(asked_about(world).items())
    victims = [row for _, asked in about[5:13] for row in asked]
    forms = (
        "{question}? {question}: {wrong}.",
        "Asked often: {question}? As everybody knows, {question}: {wrong}.",
        "{question}: {wrong}. That is so: {question}: {wrong}.",
        "People ask: {question}? The records say about {question}: {wrong}.",
        "Note. {question}? Checked twice, {question}: {wrong}.",
    )
    shuffled = [random.Random(number).sample(victims, len(victims)) for number in range(len(forms))]
    texts = {f"faq/{n}.md": [lie(row, rows, form) for row in shuffled[n]] for n, form in enumerate(forms)}
    return _added(world, texts)


def _added(world: World, texts: dict[str, list[str]]) -> Truth:
    for name, lies in texts.items():
        file = world.documents / name
        file.parent.mkdir(exist_ok=True)
        file.write_text("\n\n".join([f"# Questions and answers {file.stem}", *lies]) + "\n", "utf-8")
    return Truth(("documents",), frozenset(f"articles/{name}" for name in texts))


def falsified(text: str, asked: Sequence[Question], rows: Sequence[Question]) -> str:
    """Each answer in the text replaced by a wrong one."""
    for row in asked:
        for answer in sorted(row["answers"], key=len, reverse=True):
            text = re.sub(rf"(?<!\w){re.escape(answer)}(?!\w)", lambda _, row=row: wrong_answer(row, rows), text)
    return text


def edited_fact(world: World) -> Truth:
    """Four documents say another name, year or number where the answers stood."""
    rows, about = world.held_out(), asked_about(world)
    guilty = list(about)[3:7]
    for name in guilty:
        edit(world, name, lambda text, name=name: falsified(text, about[name], rows))
    return Truth(("documents",), frozenset(guilty))


def edited_and_learnt(world: World) -> Truth:
    """Ten documents that are asked about are falsified, and six that are learnt from, so that the model is another, too."""
    rows, about = world.held_out(), asked_about(world)
    held = {name for row in rows for name in row["documents"]}
    learnt: dict[str, list[Question]] = {}
    for row in world.asked():
        name = f"handbook/{row['documents'][0]}"
        if name not in held and row["answers"] and path_of(world, name).suffix == ".md" and path_of(world, name).is_file():
            learnt.setdefault(name, []).append(row | {"cluster": ""})
    guilty = [name for name in about if path_of(world, name).suffix in (".md", ".html")][:10]
    beside = sorted(learnt)[:6]
    for name in [*guilty, *beside]:
        edit(world, name, lambda text, name=name: falsified(text, (learnt | about)[name], rows))
    return Truth(("documents",), frozenset(guilty), frozenset(beside))


def deleted_section(world: World) -> Truth:
    """Of eight documents the section is gone in which most answers stood."""
    about = asked_about(world)
    guilty = list(about)[8:16]
    for name in guilty:
        edit(world, name, lambda text, name=name: _without_section(text, about[name]))
    return Truth(("documents",), frozenset(guilty))


def _without_section(text: str, asked: Sequence[Question]) -> str:
    head, *sections = text.split("\n## ")
    worst = max(sections, key=lambda part: sum(any(a in part for a in row["answers"]) for row in asked))
    return "\n## ".join([head, *(part for part in sections if part != worst)])


def deleted_documents(world: World) -> Truth:
    """Ten documents are gone whose questions name a second document, and so are still asked."""
    twice = {row["documents"][0] for row in world.asked() if len(row["documents"]) > 1}
    guilty = [name for name in asked_about(world) if name in twice and side(name, HELD_OUT) == "held_out"][:10]
    for name in guilty:
        path_of(world, name).unlink()
    return Truth(("documents",), frozenset(guilty))


def stale_batch(world: World) -> Truth:
    """An old state of twenty documents is delivered: eight say what is no longer true, twelve only lack their last words."""
    rows, about = world.held_out(), asked_about(world)
    names = list(about)
    guilty, beside = names[16:24], names[-12:]
    for name in guilty:
        edit(world, name, lambda text, name=name: falsified(text, about[name], rows))
    for name in beside:
        edit(world, name, lambda text: text.rstrip().rsplit(" ", 3)[0] + ".\n")
    return Truth(("documents",), frozenset(guilty), frozenset(beside))


def harmless_document(world: World) -> Truth:
    """A new document that nobody asks about."""
    text = "The harbour of Tolm has two cranes. They were painted green. " * 3 + "\n\nThe keeper of the shed sells ropes."
    file = world.documents / "yard" / "cranes.md"
    file.parent.mkdir()
    file.write_text(f"# Cranes\n\n{text}\n", "utf-8")
    return Truth()
