"""The proof that evaluation is honest: nothing that a training row quotes or asks is on the evaluation side.

It reads the finished tables and not the code that split them, so that a fault there is seen here. What only resembles
evaluation is found in `contamination.py`.
"""

from llmops_pipelines.lifecycle.lake import Version

from .questions import read
from .splits import trainable
from .wording import copied_from, merged, plain

SHOWN = 5


def leaks(eval_questions: Version, training_examples: Version, documents: Version) -> list[str]:
    """One sentence per kind of leak: a document, a cluster, a question or a passage on both sides. Empty when clean.

    `training_examples` may be a version of preference_pairs as well.
    """
    known = documents.table(columns=["doc_id", "cluster", "consent", "trust"]).to_pylist()
    cluster = {row["doc_id"]: row["cluster"] for row in known}
    forbidden = {row["doc_id"] for row in known if not trainable(row["consent"], row["trust"])}
    asked = list(read(eval_questions))
    trained = training_examples.table(columns=["doc_ids", "cluster", "question", "contexts"]).to_pylist()
    held_documents = {doc_id for question in asked for doc_id in question.documents}
    read_documents = {doc_id for row in trained for doc_id in row["doc_ids"]}
    held_clusters = {question.cluster for question in asked} | {cluster[d] for d in held_documents if d in cluster}
    read_clusters = {row["cluster"] for row in trained} | {cluster[d] for d in read_documents if d in cluster}
    questions = {plain(row["question"]) for row in trained}
    held_questions = {plain(question.question): question.id for question in asked}
    windows = eval_questions.table("held_out_windows")
    held_windows = merged(zip(windows.column("window").to_pylist(), windows.column("doc_id").to_pylist(), strict=True))
    contexts = {text for row in trained for text in row["contexts"]}
    copies = {copied_from(text, held_windows) for text in contexts} - {None}
    found = {
        "documents are quoted in training and asked about in evaluation": held_documents & read_documents,
        "documents without consent to training, or untrusted, are quoted in training": forbidden & read_documents,
        "document clusters are on both sides": held_clusters & read_clusters,
        "evaluation questions are asked in training": {held_questions[q] for q in questions if q in held_questions},
        "evaluation documents have a nearly identical passage in training": copies,
    }
    return [sentence(what, names) for what, names in found.items() if names]


def sentence(what: str, names: set) -> str:
    shown = sorted(map(str, names))
    more = f" and {len(shown) - SHOWN} more" if len(shown) > SHOWN else ""
    return f"{len(shown)} {what}: {', '.join(shown[:SHOWN])}{more}"
