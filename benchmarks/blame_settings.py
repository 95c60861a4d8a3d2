"""Faults in the settings, questions, judge and training of a good product, for `blame_cases.py`; those in documents are in
`blame_documents.py`.
"""

import json
from collections.abc import Callable
from typing import Any

from blame_documents import Question, Truth, wrong_answer
from blame_models import PORT, noised_embedder, reranker
from blame_world import World, by_hash, write_lines


def setting(part: str, **sections: dict[str, Any]) -> Callable[[World], Truth]:
    """Other words in sections of the pipeline's YAML."""

    def fault(world: World) -> Truth:
        world.words(lambda said: [said.setdefault(name, {}).update(words) for name, words in sections.items()])
        return Truth((part,))

    return fault


def candidate(part: str, **words: Any) -> Callable[[World], Truth]:
    """Other words of the candidate that is released."""

    def fault(world: World) -> Truth:
        world.words(lambda said: said["candidates"][0].update(words))
        return Truth((part,))

    return fault


def pipeline(**words: Any) -> Callable[[World], Truth]:
    """Other words at the top of the YAML that change nothing."""

    def fault(world: World) -> Truth:
        world.words(lambda said: said.update(words))
        return Truth()

    return fault


def recipe(**words: Any) -> Callable[[World], Truth]:
    def fault(world: World) -> Truth:
        world.recipe(lambda said: said.update(words))
        return Truth(("training",))

    return fault


def another_embedder(world: World) -> Truth:
    """The same architecture with spoilt weights, and a sha256 of its own."""
    folder, sha256 = noised_embedder(world.models)
    said = {"model": str(folder), "revision": None, "sha256": sha256, "precision": "bf16"}
    world.words(lambda words: words.update(embeddings=said))
    return Truth(("embedder",))


def dense(world: World) -> None:
    """Dense search alone, which is wrong more often, and five passages to make up for it."""
    world.words(lambda said: said.update(retrieval={"method": "dense"}))
    world.words(lambda said: said["candidates"][0].update(passages=5))


def narrow(world: World) -> None:
    """One passage is read, so that its order decides."""
    world.words(lambda said: said["candidates"][0].update(passages=1))


def narrow_dense(world: World) -> None:
    dense(world)
    narrow(world)


def wider(world: World) -> Truth:
    """More passages than `narrow` leaves: a change for the better."""
    candidate("retriever", passages=5)(world)
    return Truth(better=True)


def reranked(world: World) -> None:
    """Dense search put in order by a cross-encoder."""
    folder, sha256 = reranker(world.models, world.data, {row["id"] for row in world.asked()})
    judge = {"model": str(folder), "sha256": sha256, "candidates": 10}
    world.words(lambda said: said.update(retrieval={"method": "dense", "reranker": judge}))
    world.words(lambda said: said["candidates"][0].update(steps=["retrieve", "rerank", "answer"], passages=1))


def several(*faults: Callable[[World], Truth]) -> Callable[[World], Truth]:
    """Faults at once; all of their parts are guilty."""

    def fault(world: World) -> Truth:
        truths = [each(world) for each in faults]
        names = frozenset(name for truth in truths for name in truth.documents)
        return Truth(tuple(part for truth in truths for part in truth.parts), names)

    return fault


def other_references(world: World) -> Truth:
    """A third of the questions get another accepted answer, as after a careless import."""
    asked = {row["id"]: row for row in world.held_out()}
    changed = by_hash(list(asked))[: len(asked) // 3]
    wrong = {name: wrong_answer(asked[name], list(asked.values())) for name in changed}
    world.ask(lambda rows: [row | {"answers": [wrong[row["id"]]]} if row["id"] in wrong else row for row in rows])
    return Truth(("eval set",))


def harder_questions(world: World) -> Truth:
    """As many questions again, of those that the reader cannot answer well."""
    known, files = {row["id"] for row in world.asked()}, {}
    for file, _, sections in world.data.documents():
        files |= {row["id"]: file for row in sections}
    rest = {row["id"]: row for row in world.data.questions if row["id"] not in known}
    more = [
        {"id": name, "question": rest[name]["question"], "answers": rest[name]["answers"], "answerable": True}
        | {"documents": [f"articles/{files[rest[name]['passage_id']]}"]}
        for name in by_hash(list(rest))[: len(known)]
    ]
    world.ask(lambda rows: [*rows, *more])
    return Truth(("eval set",))


def judged(world: World) -> None:
    """A judge that says whether an answer stands in what was read; its scores decide."""
    words = [
        "The old mill stands in Tolm",
        "Runa Estby keeps the light",
        "The ferry leaves at nine",
        "Arne Lund",
        "Garrow",
        "9",
    ]
    anchors = [
        {"id": f"anchor-{number}", "question": f"What is said in line {number}?", "contexts": [f"Line {number}: {text}."]}
        | {"answer": text, "reference": text, "wrong_answer": "Nobody knows it", "wrong_contexts": ["The sea is cold."]}
        for number, text in enumerate(words)
    ]
    write_lines(world.project / "configs" / "articles" / "anchors" / "anchors.jsonl", anchors)
    endpoint = {"url": f"http://127.0.0.1:{PORT}/v1", "model": "mild-1", "max_tokens": 2048}
    judge = {"endpoint": endpoint, "metrics": ["faithfulness"], "anchors": "configs/articles/anchors/anchors.jsonl"}
    world.words(lambda said: said.update(evaluation={"judge": judge}))
    world.words(lambda said: said["gate"].update(metric="faithfulness"))


def another_judge(world: World) -> Truth:
    """The YAML names a judge that believes no short answer."""
    world.words(lambda said: said["evaluation"]["judge"]["endpoint"].update(model="stern-1"))
    return Truth(("judge",))


def moved_judge(world: World) -> Truth:
    """The service has another judge behind the same name; the project is untouched."""
    return Truth(("judge",))


def shuffled_labels(world: World) -> Truth:
    """On the train side each question gets the answer to the next one of its document."""
    held, asked = {row["id"] for row in world.held_out()}, world.asked()
    learnt: dict[str, list[Question]] = {}
    for row in asked:
        if row["id"] not in held and row["answerable"]:
            learnt.setdefault(row["documents"][0], []).append(row)
    after = {row["id"]: rows[(n + 1) % len(rows)] for rows in learnt.values() for n, row in enumerate(rows)}
    world.ask(lambda rows: [row | {"answers": after[row["id"]]["answers"]} if row["id"] in after else row for row in rows])
    return Truth(("training",))


def truncated_dataset(world: World) -> Truth:
    """Of the questions of the train side six are left, and no pairs are made from documents."""
    held = {row["id"] for row in world.held_out()}
    kept = set(by_hash([row["id"] for row in world.asked() if row["id"] not in held])[:6])
    world.ask(lambda rows: [row for row in rows if row["id"] in held or row["id"] in kept])
    world.words(lambda said: said["training"].update(pairs_per_document=0))
    return Truth(("training",))


def broken_prompt(world: World) -> Truth:
    """The released candidate's prompt puts the question first and asks for something else; what fine-tuning teaches stays."""
    file = world.project / "configs" / "prompts" / "ours.yaml"
    template = "Question: {question}\n\nRead this and then write a poem about it.\n\n{context}\n\nPoem:"
    file.write_text(json.dumps({"description": "Another form.", "template": template}), "utf-8")
    return Truth(("prompt",))


def nothing(world: World) -> Truth:
    """Everything is built again from the same files."""
    for file in world.documents.rglob("*.md"):
        file.touch()
    return Truth()
