"""What every request needs, made once by the composition root."""

from dataclasses import dataclass, field

from admin_api.http.auth import Tokens
from admin_api.http.metrics import Metrics
from admin_api.http.token_guessing import GuessLimiter
from admin_api.readiness import Readiness
from distribution.intake.decoder import Decoder
from distribution.store.database import Database

MAX_ADMIN_BYTES = 1920 * 1024
"""10,000 weights with each field on a line of its own; as much as a slow client can send in `serving`'s 30 s."""


@dataclass(frozen=True, slots=True)
class Context:
    """Database, tokens, the limiter of token guesses, size limits, metrics, readiness.

    The decoder's `max_bytes` limits bodies of operations that bots may use, `max_admin_bytes` those for admins only.
    """

    database: Database
    tokens: Tokens
    decoder: Decoder
    metrics_public: bool = False
    max_admin_bytes: int = MAX_ADMIN_BYTES
    metrics: Metrics = field(default_factory=Metrics)
    guesses: GuessLimiter = field(default_factory=GuessLimiter)
    readiness: Readiness = field(default_factory=Readiness)
