"""What asking a service may cost and how fast it may be asked; the client itself is in `chat.py`.

Both are counted per process and run. Several threads may share them.
"""

import threading
import time
from collections.abc import Callable, Iterable
from typing import Protocol

from llmops_pipelines.config.endpoints import ChatEndpoint

CHARACTERS_PER_TOKEN = 2  # fewer than in any common language, so that an estimate is rather too high than too low
MILLION = 1_000_000


class Text(Protocol):
    @property
    def content(self) -> str: ...


class Budget:
    """Money: what was spent, and what the requests under way may still cost. Without `most_cost` nothing is refused."""

    def __init__(self, words: ChatEndpoint) -> None:
        self.words, self.spent, self._reserved, self._lock = words, 0.0, 0.0, threading.Lock()

    def cost(self, tokens_in: int | None, tokens_out: int | None) -> float | None:
        """None when a count is missing that has a price."""
        prices = ((tokens_in, self.words.price_in), (tokens_out, self.words.price_out))
        if any(tokens is None and price for tokens, price in prices):
            return None
        return sum((tokens or 0) * price for tokens, price in prices) / MILLION

    def reserve(self, prompt: Iterable[Text]) -> float | None:
        """The most that a prompt can cost, set aside; None when that is more than what is left."""
        characters = sum(len(message.content) for message in prompt)
        most = self.cost(characters // CHARACTERS_PER_TOKEN + 1, self.words.max_tokens) or 0.0
        with self._lock:
            cap = self.words.most_cost
            if cap is not None and self.spent + self._reserved + most > cap:
                return None
            self._reserved += most
        return most

    def settle(self, reserved: float, spent: float | None) -> None:
        """Take back what was set aside; what is not known (None) counts as all of it."""
        with self._lock:
            self._reserved -= reserved
            self.spent += reserved if spent is None else spent


class Pace:
    """Time: requests are spread evenly, so that a minute never holds more than `per_minute`."""

    def __init__(self, per_minute: int | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._gap = 60.0 / per_minute if per_minute else 0.0
        self._next, self._clock, self._lock = 0.0, clock, threading.Lock()

    def wait(self) -> float:
        """Seconds until the turn that this call takes."""
        if not self._gap:
            return 0.0
        with self._lock:
            now = self._clock()
            turn = max(now, self._next)
            self._next = turn + self._gap
        return turn - now
