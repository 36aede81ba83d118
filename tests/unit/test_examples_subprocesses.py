"""Children are started, watched and ended, and nothing of theirs stays behind."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from examples.signals import interruptible
from examples.subprocesses import ChildError, Children, children, wait_until

STUBBORN = """
import pathlib, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
pathlib.Path("{told}").write_text(str(grandchild.pid))
time.sleep(600)  # until it is killed, as its child; not for ever if that fails
"""


SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture
def handlers() -> Iterator[None]:
    """Puts the handlers of the test's process back."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def modules(tmp_path: Path) -> Path:
    """A folder for modules that children can be made of."""
    return tmp_path


@pytest.fixture
def started(modules: Path) -> Iterator[Children]:
    """Children that write to files and are given half a second to end."""
    logs = modules / "logs"
    logs.mkdir()
    with children({**os.environ, "PYTHONPATH": str(modules)}, logs, patience=0.5) as found:
        yield found


def test_a_child_that_ends_is_named_with_its_last_words(started: Children, modules: Path) -> None:
    """A service that gives up shows its reason without anybody opening a log."""
    (modules / "failing.py").write_text("raise SystemExit('no broker there')")
    child = started.start("worker", "failing")
    wait_until(lambda: child.process.poll() is not None, 10)

    with pytest.raises(ChildError, match=r"worker ended with exit status 1\n  no broker there"):
        started.check()


def test_a_child_that_is_meant_to_end_is_waited_for(started: Children, modules: Path) -> None:
    """The schema is done before the services start, and then is no child to watch."""
    (modules / "passing.py").write_text("")
    started.finish(started.start("schema", "passing"), 10)

    started.check()


def test_a_child_that_is_meant_to_end_well_and_does_not_is_an_error(started: Children, modules: Path) -> None:
    """A failed migration is not passed over."""
    (modules / "failing.py").write_text("raise SystemExit(3)")

    with pytest.raises(ChildError, match="schema ended with exit status 3"):
        started.finish(started.start("schema", "failing"), 10)


def test_a_child_that_does_not_listen_is_ended_with_its_own_children(modules: Path) -> None:
    """SIGTERM ignored, and a grandchild outside its process group: both are gone after the block."""
    told = modules / "told"
    (modules / "stubborn.py").write_text(STUBBORN.format(told=told))
    with children({**os.environ, "PYTHONPATH": str(modules)}, patience=0.5) as started:
        child = psutil.Process(started.start("stubborn", "stubborn").process.pid)
        assert wait_until(lambda: told.exists() and told.read_text() != "", 10)
        grandchild = psutil.Process(int(told.read_text()))

    assert wait_until(lambda: not (_lives(child) or _lives(grandchild)), 10)


def test_the_folder_of_logs_goes_with_the_children(modules: Path) -> None:
    """Nothing is left in the temporary folder."""
    logs = modules / "logs"
    logs.mkdir()
    with children(os.environ, logs) as started:
        started.finish(started.start("help", "this"), 10)
        assert (logs / "help.log").read_text() != ""

    assert not logs.exists()


@pytest.mark.usefixtures("handlers")
@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_interrupts_and_later_ones_do_not_disturb(number: signal.Signals) -> None:
    """Clearing up is not cut short by an impatient second Ctrl-C, nor is the end of the program."""
    with interruptible():
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
        signal.raise_signal(number)
    signal.raise_signal(number)


@pytest.mark.parametrize("number", SIGNALS)
def test_without_a_signal_the_handlers_are_as_before(number: signal.Signals) -> None:
    """The programs change nothing for whoever calls them."""
    before = signal.getsignal(number)
    with interruptible():
        assert signal.getsignal(number) is not before

    assert signal.getsignal(number) is before


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
