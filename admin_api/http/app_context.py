"""What every request needs, made once by the composition root."""

from dataclasses import dataclass, field

from starlette.datastructures import Headers

from admin_api.http.auth import Identity, Tokens
from admin_api.http.metrics import Metrics
from admin_api.http.token_guessing import GuessLimiter
from admin_api.readiness import Readiness
from distribution.intake.decoder import Decoder
from distribution.store.database import Database

MAX_ADMIN_BYTES = 1920 * 1024
"""10,000 weights with each field on a line of its own; as much as a slow client can send in serving's 30 s."""


@dataclass(frozen=True, slots=True)
class Context:
    """Database, tokens and who guesses them, limits, metrics, readiness.

    The decoder's `max_bytes` bounds what bots may send, `max_admin_bytes` what admins alone may.
    """

    database: Database
    tokens: Tokens
    decoder: Decoder
    metrics_public: bool = False
    max_admin_bytes: int = MAX_ADMIN_BYTES
    metrics: Metrics = field(default_factory=Metrics)
    guesses: GuessLimiter = field(default_factory=GuessLimiter)
    readiness: Readiness = field(default_factory=Readiness)

    async def identify(self, headers: Headers, host: str | None) -> Identity:
        """Whose request it is, by its headers and client address; RequestRejected if it has no known token."""
        return await self.guesses.identify(headers, host, self.tokens)
