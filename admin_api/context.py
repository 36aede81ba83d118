"""What every request needs, made once by the composition root."""

from dataclasses import dataclass, field
from random import Random

from sqlalchemy.ext.asyncio import AsyncEngine

from admin_api.auth import Tokens
from admin_api.metrics import Metrics
from distribution.reply_queues import ALL_BUT_OWN, ReplyQueues


@dataclass(frozen=True, slots=True)
class Context:
    """Database, randomness, tokens, limits, metrics."""

    engine: AsyncEngine
    random: Random
    tokens: Tokens
    max_body_bytes: int
    metrics_public: bool = False
    phone_region: str = ""
    reply_queues: ReplyQueues = ALL_BUT_OWN
    metrics: Metrics = field(default_factory=Metrics)
