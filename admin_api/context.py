"""What every request needs, made once by the composition root."""

from dataclasses import dataclass, field
from random import Random

from sqlalchemy.ext.asyncio import AsyncEngine

from admin_api.auth import Tokens
from admin_api.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Context:
    """Database, randomness, tokens, limits, metrics."""

    engine: AsyncEngine
    random: Random
    tokens: Tokens
    max_body_bytes: int
    metrics_public: bool = False
    phone_region: str = ""
    metrics: Metrics = field(default_factory=Metrics)
