"""Finds and ends processes by their id and its descendants, or by a mark in their environment."""

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
    """Processes that carry the mark: these include daemons that left the family, such as epmd."""
    processes: set[psutil.Process] = set()
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(MARK) == mark:
                processes.add(process)
    return processes


def send(processes: Iterable[psutil.Process], number: signal.Signals) -> None:
    """Send a signal to each that still exists."""
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.send_signal(number)


def suspend(processes: Iterable[psutil.Process], seconds: float = 5.0) -> None:
    """Stop each and wait until it has stopped: the signal is delivered asynchronously."""
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
    """End the roots with the `gentle` signal, and after `patience` seconds everything of theirs with SIGKILL."""
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
