"""Statements that are wrong, as if a release had a mistake in them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine


@contextmanager
def mistaken(engine: AsyncEngine, beginning: str) -> Iterator[None]:
    """A syntax error in every statement that begins so."""

    def mistake(_conn: object, _cursor: object, text: str, values: Any, _context: object, _many: bool) -> Any:
        return (text.replace(beginning, f"{beginning} ,", 1), values) if text.startswith(beginning) else (text, values)

    sa.event.listen(engine.sync_engine, "before_cursor_execute", mistake, retval=True)
    yield
    sa.event.remove(engine.sync_engine, "before_cursor_execute", mistake)
