"""The words of `configs/pipelines/<name>.yaml`: one file is one product. Each field's description is its documentation.

Paths are relative to the project folder (the one that holds `configs/`).
"""

from typing import Literal

from pydantic import Field, model_validator

from .candidates import Candidates, ladder
from .datasets import Decontamination, Feedback, Questions, WrittenPairs
from .documents import Cleaning, Source
from .evaluation import Evaluation
from .gate import Gate
from .words import (
    Address,
    Cron,
    EnvironmentVariable,
    ExistingPath,
    Owner,
    Positive,
    Share,
    TimeZone,
    Words,
    did_you_mean,
)


class Chunks(Words):
    """How documents are cut into passages."""

    by: Literal["structure", "sentences", "tokens"] = Field(
        "structure",
        description="Where to cut: at headings, tables, code and paragraphs; at sentences; or anywhere between words",
    )
    tokens: Positive = Field(96, description="Most tokens of the embedding model in one passage")
    overlap: int = Field(0, ge=0, description="Tokens repeated from the end of the passage before")

    @model_validator(mode="after")
    def _room_for_new_text(self):
        if self.overlap * 2 > self.tokens:
            raise ValueError(f"an overlap of at most half of tokens ({self.tokens // 2})")
        return self


class Endpoint(Words):
    """A service that embeds texts and speaks OpenAI's protocol (POST <url>/embeddings)."""

    url: Address = Field(description="Address up to and with /v1")
    model: str = Field(min_length=1, description="Name of the model there")
    dimension: Positive = Field(description="Components of its vectors")
    key: EnvironmentVariable | None = Field(None, description="Environment variable with its key")


class Embeddings(Words):
    """The model that turns passages into vectors."""

    model: str = Field(
        "sentence-transformers/all-MiniLM-L6-v2", description="A folder, or a hub name of a sentence-transformers model"
    )
    revision: str | None = Field(
        "1110a243fdf4706b3f48f1d95db1a4f5529b4d41", pattern=r"^[0-9a-f]{40}$", description="Commit of the hub model"
    )
    sha256: str = Field(
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        pattern=r"^[0-9a-f]{64}$",
        description="sha256 of model.safetensors; weights that differ are refused",
    )
    precision: Literal["fp32", "bf16"] = Field(
        "fp32",
        description="Number format of the computation; bf16 is several times faster where the processor has it (AMX, GPU)",
    )
    endpoint: Endpoint | None = Field(
        None, description="Ask this service instead of computing here; model is then only the tokenizer that counts"
    )


class Index(Words):
    """Where vectors are kept and searched."""

    url: Address | None = Field(
        None, description="Address of a Qdrant server; without it the index lives in this project's home"
    )
    quantization: Literal["none", "int8"] = Field(
        "none", description="int8 takes a quarter of the memory and finds a little less"
    )


class Reranker(Words):
    """A cross-encoder that reads question and passage together; slow, and the best judge of order."""

    model: ExistingPath = Field(description="Folder of a sequence classification model (transformers)")
    sha256: str = Field(
        pattern=r"^[0-9a-f]{64}$", description="sha256 of its model.safetensors; weights that differ are refused"
    )
    candidates: Positive = Field(30, description="Passages that it reads per question")


class Retrieval(Words):
    """How passages are found for a question."""

    method: Literal["tuned", "dense", "bm25", "hybrid"] = Field(
        "tuned", description="tuned takes what was best on this pipeline's own questions; hybrid mixes both by `dense_weight`"
    )
    dense_weight: Share = Field(0.5, description="Share of the dense score in hybrid; the rest is BM25")
    candidates: Positive = Field(100, description="Passages taken from each of dense and BM25 before they are fused")
    expand: Literal["none", "neighbours", "section"] = Field(
        "none", description="What a found passage brings along: nothing, the passages beside it, or its whole section"
    )
    reranker: Reranker | None = Field(None, description="Put the best passages into a better order")


class Retention(Words):
    """What is kept. What the live release, a release kept, a reader or an unfinished training needs is never removed."""

    versions: Positive = Field(5, description="Newest versions kept of each asset")
    releases: Positive = Field(10, description="Newest releases whose parts are kept for rollback and questions")
    hidden_days: Positive = Field(30, description="Days in which a document that was only hidden can be restored")
    legal_hold: list[str] = Field(
        [],
        description="Documents that must not be erased: patterns of doc_ids, such as contracts/2024-*; hiding stays possible",
    )


class Training(Words):
    """How the model learns from the documents."""

    recipe: ExistingPath = Field(description="File under configs/recipes/ with the whole training run")
    pairs_per_document: int = Field(
        12, ge=0, description="Question-answer pairs made from each training document without a model"
    )
    embedder: ExistingPath | None = Field(None, description="Recipe with method: embedder that tunes the embedding model")
    written_pairs: WrittenPairs | None = Field(None, description="Pairs that a language model writes and our rules check")
    feedback: Feedback | None = Field(None, description="What people said about answers")
    decontamination: Decontamination = Decontamination()


class Answers(Words):
    """How a question is answered."""

    prompt: ExistingPath = Field(
        "configs/prompts/product.yaml",
        description="Prompt file that fine-tuning teaches, and that candidates use unless they name another",
    )
    passages: Positive = Field(2, description="Passages from the index that the model reads")
    max_new_tokens: Positive = Field(24, description="Longest answer, in tokens of the model")
    refusal: str = Field("not in the documents", description="What the model says when the passages hold no answer")


class Drift(Words):
    """When the corpus has changed so much that a retrain is worth it."""

    documents_changed: Share = Field(0.25, description="Share of documents added, edited or removed since the last release")
    lengths: Share = Field(0.25, description="Population stability index of the document lengths")
    vocabulary: Share = Field(0.1, description="Jensen-Shannon distance between word frequencies")
    embeddings: Share = Field(0.1, description="Cosine distance between the mean vectors")


class Automation(Words):
    """When things run by themselves. Times are cron lines."""

    reindex: Cron = Field("0 2 * * *", description="Nightly: documents to index")
    retrain: Cron = Field("0 4 * * *", description="Nightly: training to release; does nothing when nothing changed")
    timezone: TimeZone = Field("UTC", description="Time zone of the two")
    cleanup: Cron = Field("0 6 * * 0", description="Weekly: remove what `retention` does not keep")
    look_for_documents_every: Positive = Field(300, description="Seconds between looks for new documents")


class Pipeline(Words):
    """One product, from documents to a released model."""

    description: str = Field(description="One sentence for the people who open the asset graph")
    owner: Owner = Field(description="Who is asked and alerted: 'team:name' or an e-mail address")
    documents: list[Source] = Field(min_length=1, description="Where documents come from")
    cleaning: Cleaning = Cleaning()
    chunks: Chunks = Chunks()
    embeddings: Embeddings = Embeddings()
    index: Index = Index()
    retrieval: Retrieval = Retrieval()
    questions: Questions = Field(description="The section that names questions with known answers")
    training: Training = Field(description="The section that names the training recipe")
    answers: Answers = Answers()
    candidates: Candidates = Field([], description="What is compared besides the ladder of five that is always there")
    evaluation: Evaluation = Evaluation()
    gate: Gate = Field(description="The section that says what may be released")
    drift: Drift = Drift()
    automation: Automation = Automation()
    retention: Retention = Retention()
    compute: Literal["local", "ray"] = Field(
        "local", description="Where bulk work runs: this machine's cores, or a Ray cluster"
    )

    @model_validator(mode="after")
    def _one_name_per_source(self):
        names = [source.name for source in self.documents]
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"one name per source; {repeated[0]!r} is used twice")
        return self

    @model_validator(mode="after")
    def _the_gate_names_a_candidate(self):
        known = [*(candidate.name for candidate in ladder(self)), "chosen"]
        if self.gate.candidate not in known:
            raise ValueError(f"gate.candidate: one of {', '.join(known)}{did_you_mean(self.gate.candidate, known)}")
        return self
