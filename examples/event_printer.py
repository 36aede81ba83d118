"""Prints events as they arrive: the first few in full, then a count."""

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from examples.subscriber import Event, describe

FIRST = 8
EVERY = 100


class Feed:
    """A live progress bar on a terminal; elsewhere a line every EVERY events."""

    def __init__(self, console: Console, expected: int) -> None:
        self._console = console
        self._expected = expected
        self._shown = 0
        columns = TextColumn("  events"), BarColumn(), MofNCompleteColumn()
        self._progress = Progress(*columns, console=console, disable=not console.is_terminal, transient=True)
        self._task = self._progress.add_task("events", total=expected)

    def __enter__(self) -> "Feed":
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def show(self, event: Event) -> None:
        """Show one more event."""
        self._shown += 1
        self._progress.advance(self._task)
        if self._shown <= FIRST:
            self._console.print(f"  {describe(event)}")
        elif self._shown == FIRST + 1:
            self._console.print("  … and so on")
        if self._shown % EVERY == 0 and not self._console.is_terminal:
            self._console.print(f"  {self._shown} of {self._expected} events")
