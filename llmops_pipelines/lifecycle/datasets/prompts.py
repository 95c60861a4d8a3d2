"""The product prompt: the one text form in which training, evaluation and users meet the model."""


def prompt(passages: list[str], question: str) -> str:
    """What the model reads. Its completion is a space and the answer; training adds the end-of-text token."""
    context = "\n\n".join(passage.strip() for passage in passages)
    return f"Context:\n{context}\n\nQuestion: {' '.join(question.split())}\nAnswer:"


def completion(answer: str) -> str:
    return f" {' '.join(answer.split())}"


def parts(text: str) -> tuple[str, str]:
    """(context, question) of a prompt made by `prompt`. Raises ValueError for any other text."""
    context, mark, question = text.removesuffix("\nAnswer:").rpartition("\n\nQuestion: ")
    if not mark or not context.startswith("Context:\n"):
        raise ValueError(f"{text[:40]!r} is not a product prompt")
    return context.removeprefix("Context:\n"), question
