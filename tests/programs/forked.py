"""Starts programs by forking a process that has already imported them: each start takes two seconds of CPU less.

What runs is the module's `__main__`, in a process with an environment, a folder, streams and signals of its own.
Only the tests of how programs start use `python -m` itself.
"""

import asyncio
import multiprocessing
import os
import runpy
import signal
import sys
import time
from asyncio import StreamReader, StreamReaderProtocol
from asyncio.subprocess import Process
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path

_LARGEST_LINE = 1 << 20


class Child:
    """A running program, with the part of `asyncio.subprocess.Process` that the tests use."""

    def __init__(self, process: ForkServerProcess, stdin: Connection, output: Sequence[StreamReader]) -> None:
        self._process = process
        self._stdin = stdin
        self._output = output
        self.stdout: StreamReader | None = output[0]
        self.stderr: StreamReader | None = output[1]
        self.pid = process.pid or 0

    @property
    def returncode(self) -> int | None:
        """Its exit status, or minus the number of the signal that ended it; None while it runs."""
        return self._process.exitcode

    async def wait(self) -> int:
        """Wait for its end; returns the exit status."""
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        loop.add_reader(self._process.sentinel, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(self._process.sentinel)
        return self._process.exitcode or 0

    async def communicate(self, data: bytes = b"") -> tuple[bytes, bytes]:
        """Write to its standard input, close it, and return all of its output and errors once it has ended."""
        writing = asyncio.create_task(asyncio.to_thread(self._write, data))
        out, err = await asyncio.gather(*(stream.read() for stream in self._output))
        await writing
        await self.wait()
        return out, err

    def _write(self, data: bytes) -> None:
        with self._stdin, open(self._stdin.fileno(), "wb", closefd=False) as stdin:
            try:
                stdin.write(data)
                stdin.flush()
            except BrokenPipeError:
                return  # the program ended without reading its input

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.returncode is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)


async def start(module: str, arguments: Sequence[str] = (), *, cwd: Path, env: Mapping[str, str]) -> Child | Process:
    """Run `python -m module arguments` in a folder, with only this environment, and with all its streams as pipes.

    A new interpreter, not a fork, if the environment has variables that an interpreter reads at its start.
    """
    if _has_interpreter_variables(env):
        pipe = asyncio.subprocess.PIPE
        command = (sys.executable, "-m", module, *arguments)
        return await asyncio.create_subprocess_exec(*command, cwd=cwd, env=env, stdin=pipe, stdout=pipe, stderr=pipe)
    return await _fork(module, arguments, cwd, env)


def _has_interpreter_variables(env: Mapping[str, str]) -> bool:
    return env.get("LANG") != os.environ.get("LANG") or any(name.startswith(("PYTHON", "LC_")) for name in env)


async def _fork(module: str, arguments: Sequence[str], cwd: Path, env: Mapping[str, str]) -> Child:
    context = _context()
    stdin, to_stdin = context.Pipe(duplex=False)
    from_stdout, stdout = context.Pipe(duplex=False)
    from_stderr, stderr = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(module, arguments, str(cwd), dict(env), (stdin, stdout, stderr)))
    process.start()
    for ours in (stdin, stdout, stderr):
        ours.close()
    return Child(process, to_stdin, [await _reader(from_stdout), await _reader(from_stderr)])


def _context() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.programs.preloaded"])
    return context


async def _reader(pipe: Connection) -> StreamReader:
    reader = StreamReader(limit=_LARGEST_LINE)
    with pipe:
        stream = os.fdopen(os.dup(pipe.fileno()), "rb")
    await asyncio.get_running_loop().connect_read_pipe(lambda: StreamReaderProtocol(reader), stream)
    return reader


def _run(
    module: str, arguments: Sequence[str], folder: str, environment: dict[str, str], pipes: Sequence[Connection]
) -> None:
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    for number, pipe in enumerate(pipes):
        os.dup2(pipe.fileno(), number)
        pipe.close()
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
