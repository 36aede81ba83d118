"""Our own column types: times in UTC, and ids that the database assigns."""

from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator


class UtcDateTime(TypeDecorator[datetime]):
    """An aware datetime in UTC; SQLite stores it without a zone, which is added again when it is read."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """Store UTC."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """Returns an aware datetime in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


# On SQLite only INTEGER keys are assigned automatically. Those of rows that programs insert are AUTOINCREMENT
# (revision 0011), so that no id is used twice; SQLAlchemy would drop the key's name for it, so it is not declared here.
NumberedId = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
