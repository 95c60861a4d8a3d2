"""The words for a language model behind an OpenAI-compatible service: where it is, how it is asked, what it may cost.

Services that embed texts have words of their own in `pipeline.py`; the client is `lifecycle/compute/chat.py`.
"""

from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from .words import Address, EnvironmentVariable, Positive, Words

Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Price = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class ChatEndpoint(Words):
    """A language model that is asked through OpenAI's protocol (POST <url>/chat/completions)."""

    url: Address = Field(description="Address up to and with /v1")
    model: str = Field(min_length=1, description="Name of the model there")
    key: EnvironmentVariable | None = Field(None, description="Environment variable with its key")
    temperature: float | None = Field(
        0.0,
        ge=0,
        le=2,
        description="0 answers alike each time, as far as the service can; null is not sent",
    )
    max_tokens: Positive = Field(256, description="Longest answer, in tokens of the model")
    limit_word: Literal["max_tokens", "max_completion_tokens"] = Field(
        "max_tokens", description="What the service calls the longest answer; OpenAI's reasoning models want the second"
    )
    structured: Literal["json_schema", "json_object", "none"] = Field(
        "json_schema", description="How answers in a fixed form are asked for; older services know only json_object, or nothing"
    )
    seconds: Seconds = Field(60.0, description="Longest wait for one answer")
    attempts: Positive = Field(5, description="Attempts per question when the service is busy, broken or away")
    at_once: Positive = Field(8, description="Questions under way at the same time")
    requests_per_minute: Positive | None = Field(None, description="Most requests in a minute, repeated attempts included")
    price_in: Price = Field(0.0, description="Price of a million tokens read, in the currency of most_cost")
    price_out: Price = Field(0.0, description="Price of a million tokens written")
    most_cost: Price | None = Field(
        None, description="What a step may cost per candidate, judge or teacher; questions beyond that are not asked"
    )

    @model_validator(mode="after")
    def _a_cap_needs_prices(self) -> "ChatEndpoint":
        if self.most_cost is not None and not (self.price_in or self.price_out):
            raise ValueError("price_in and price_out beside most_cost; without prices nothing is ever counted")
        return self

    @property
    def place(self) -> str:
        """Host and path: what may be shown. An address may carry a password or a key besides."""
        parts = urlsplit(self.url)
        return f"{parts.hostname}{f':{parts.port}' if parts.port else ''}{parts.path.rstrip('/')}"

    @property
    def identity(self) -> dict[str, Any]:
        """What decides the answers, as far as anyone outside can know: for fingerprints and names of stores."""
        return {"at": self.place, "model": self.model, "temperature": self.temperature, "max_tokens": self.max_tokens}
