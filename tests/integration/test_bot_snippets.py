"""The bots of docs/contract/bots.md, in every language shown, as they stand there.

Python and Node always run. The others run where their compiler and library are installed; a skipped test says what is
missing.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from devservices.amqp_tools import require_amqp_tools
from distribution.messages import Closing, Submission, decode
from tests.integration.snippets import Exchanges, blocks, node, python, status

JARS = [Path(f"/usr/share/java/{name}.jar") for name in ("amqp-client", "slf4j-api", "slf4j-nop")]
PHP_LIBRARY = Path("/usr/share/php/PhpAmqpLib/autoload.php")
GO_FOLDER = Path("/usr/share/gocode")
GO_LIBRARY = GO_FOLDER / "src/github.com/rabbitmq/amqp091-go"
KEY = "telegram-bot-1001-1"
LANGUAGES = ("python", "js", "java", "php", "go")


@dataclass(frozen=True)
class Toolchain:
    """How a language that we do not bring along runs a file, and what of Debian's packages it takes."""

    file: str
    command: tuple[str, ...]
    program: str
    libraries: list[Path]
    packages: str

    def require(self) -> None:
        """Skip the test where something is missing, and say what."""
        if not shutil.which(self.program) or not all(library.exists() for library in self.libraries):
            pytest.skip(f"not installed (Debian, Ubuntu: apt-get install {self.packages})")


TOOLCHAINS = {
    "java": Toolchain(
        "Bot.java",
        ("java", "-cp", ":".join(map(str, JARS))),
        "javac",  # without it, java runs no source
        JARS,
        "default-jdk-headless librabbitmq-client-java libslf4j-java",
    ),
    "php": Toolchain("bot.php", ("php",), "php", [PHP_LIBRARY], "php-cli php-amqplib"),
    "go": Toolchain(
        "bot.go",
        ("env", "GO111MODULE=off", f"GOPATH={GO_FOLDER}", "go", "run"),
        "go",
        [GO_LIBRARY],
        "golang-go golang-github-rabbitmq-amqp091-go-dev",
    ),
}
SHELL = Toolchain("bot.sh", ("sh", "-e"), "sh", [], "")


def command(language: str, folder: Path) -> list[str]:
    """What runs the page's bot in this language."""
    code = blocks("bots.md", language)[-1]
    if language in ("python", "js"):
        return python(code) if language == "python" else node(code)
    toolchain = TOOLCHAINS[language]
    toolchain.require()
    (folder / "vendor").mkdir()  # as Composer makes it
    (folder / "vendor/autoload.php").write_text(f"<?php require '{PHP_LIBRARY}';")
    return as_file(toolchain, code, folder)


def as_file(toolchain: Toolchain, code: str, folder: Path) -> list[str]:
    """What runs the code from a file in the folder."""
    (folder / toolchain.file).write_text(code, encoding="utf-8")
    return [*toolchain.command, str(folder / toolchain.file)]


async def no_queue(exchanges: Exchanges) -> None:
    """The broker returns the message, and confirms it."""
    await exchanges.inbound.unbind(exchanges.contacts, "contact.#")


async def no_exchange(exchanges: Exchanges) -> None:
    """The broker closes the channel."""
    await exchanges.channel.exchange_delete("contacts")


async def full_queue(exchanges: Exchanges) -> None:
    """The broker confirms negatively."""
    queue = await exchanges.channel.declare_queue(
        exclusive=True, arguments={"x-max-length": 0, "x-overflow": "reject-publish"}
    )
    await queue.bind(exchanges.contacts, "contact.#")


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_bot_says_the_same(language: str) -> None:
    """Whether it can run here or not: its exchange and key, and that it hears of a message that no queue took."""
    code = blocks("bots.md", language)[-1]
    words = ("AMQP_URL", "contacts", "contact.submit.telegram-bot", KEY, "application/json")
    assert [word for word in words if word not in code] == []
    assert "no queue took it" in code or "on_return_raises=True" in code


@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_bot_publishes_a_contact(exchanges: Exchanges, tmp_path: Path, language: str) -> None:
    """It ends once the broker has confirmed it; its key is in the body."""
    assert await status(command(language, tmp_path), exchanges) == 0
    submission = decode(await exchanges.published(), 10_000)
    assert isinstance(submission, Submission)
    assert (submission.source, submission.message_id) == ("telegram-bot", KEY)


@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_bot_ends_with_an_error_if_its_message_is_nowhere(
    exchanges: Exchanges, tmp_path: Path, language: str
) -> None:
    """Its exit status says that the contact has to be published again, whichever way the broker said so."""
    run = command(language, tmp_path)
    for nowhere in (no_queue, full_queue, no_exchange):
        await nowhere(exchanges)
        assert await status(run, exchanges) != 0, nowhere.__name__


async def test_the_shell_submits_and_closes(exchanges: Exchanges, tmp_path: Path) -> None:
    """A plain body, and a CloudEvent where a type is needed."""
    require_amqp_tools()
    (code,) = [block for block in blocks("bots.md", "sh") if "amqp-publish" in block]
    assert await status(as_file(SHELL, code, tmp_path), exchanges) == 0
    submission, closing = [decode(await exchanges.published(), 10_000) for _ in range(2)]
    assert isinstance(submission, Submission)
    assert isinstance(closing, Closing)
    assert (closing.source, closing.message_id) == (submission.source, submission.message_id)
