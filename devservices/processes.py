"""Find and end processes by what is known of them: their id and its descendants, or a mark in their environment."""

import contextlib
import signal
import time
from collections.abc import Iterable

import psutil

MARK = "CONTACTS_DEV_SERVICE"
_PAUSE = 0.05


def family(roots: Iterable[psutil.Process]) -> set[psutil.Process]:
    """The processes and all their descendants."""
    members: set[psutil.Process] = set()
    for root in roots:
        members.add(root)
        with contextlib.suppress(psutil.Error):
            members.update(root.children(recursive=True))
    return members


def marked(mark: str) -> set[psutil.Process]:
    """Processes that carry the mark: it also finds daemons that left the family, such as epmd."""
    found: set[psutil.Process] = set()
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(MARK) == mark:
                found.add(process)
    return found


def send(processes: Iterable[psutil.Process], number: signal.Signals) -> None:
    """Send a signal to each that is still there."""
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.send_signal(number)


def suspend(processes: Iterable[psutil.Process], seconds: float = 5.0) -> None:
    """Stop each, and wait until it runs no more: the signal alone may still be on its way."""
    left, deadline = set(processes), time.monotonic() + seconds
    send(left, signal.SIGSTOP)
    while left and time.monotonic() < deadline:
        left = {process for process in left if _alive(process, psutil.STATUS_STOPPED)}
        time.sleep(_PAUSE if left else 0)


def wait_gone(processes: Iterable[psutil.Process], seconds: float) -> set[psutil.Process]:
    """Wait until they have ended; returns those that have not."""
    deadline = time.monotonic() + seconds
    left = {process for process in processes if _alive(process)}
    while left and time.monotonic() < deadline:
        time.sleep(_PAUSE)
        left = {process for process in left if _alive(process)}
    return left


def end(roots: Iterable[psutil.Process], mark: str, gentle: signal.Signals, patience: float = 5.0) -> None:
    """End the roots gently, and after a while everything of theirs without asking."""
    started = list(roots)
    everything = family(started) | marked(mark)
    send(started, gentle)
    send(started, signal.SIGCONT)
    wait_gone(started, patience)
    everything |= family(started) | marked(mark)
    send(everything, signal.SIGKILL)
    wait_gone(everything, patience)


def _alive(process: psutil.Process, *unless: str) -> bool:
    # A zombie has ended; only its parent can clear it away, and that may be a process that never does.
    try:
        return process.is_running() and process.status() not in (psutil.STATUS_ZOMBIE, *unless)
    except psutil.Error:
        return False
