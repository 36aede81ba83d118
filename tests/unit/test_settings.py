"""What a person reads when a setting is wrong, and what an empty one means."""

from pathlib import Path

import pytest

from admin_api.settings import AdminSettings
from distribution.errors import SettingsError
from distribution.reply_queues import ReplyQueues
from distribution.settings import SharedSettings, load
from worker.settings import WorkerSettings

SECRET = "s3cr3t-w0rd"  # noqa: S105  # not one


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No setting from the machine: none in the environment, no `.env` in the working folder."""
    for name in WorkerSettings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_setting_has_the_contracts_default() -> None:
    """Without any setting the processes start as the contract says."""
    settings = load(WorkerSettings)
    assert settings.database_url.get_secret_value() == "sqlite+aiosqlite:///./data/contacts.db"
    assert settings.amqp_url.get_secret_value() == "amqp://guest:guest@127.0.0.1:5672/"
    assert (settings.broker_prefix, settings.reply_queue_prefix, settings.bot_users) == ("", "", "")
    assert settings.event_log_max_age == "7D"
    assert settings.max_message_bytes == 256 * 1024
    assert settings.default_phone_region == ""
    assert (settings.worker_batch_size, settings.worker_health_port) == (500, 8001)
    assert settings.log_level == "info"
    assert settings.owns_schema


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", SECRET),
        ("DATABASE_URL", f"postgresql+psycopg2://u:{SECRET}@h/x"),
        ("DATABASE_URL", f"mysql+aiomysql://u:{SECRET}@h/x"),
        ("DATABASE_URL", f"postgresql+asyncpg://u:{SECRET}@h:port/x"),
        ("DATABASE_URL", f"postgresql+asyncpg://u:{SECRET}@[::1/x"),
        ("DATABASE_URL", f"two\nlines://u:{SECRET}@h/x"),
        ("AMQP_URL", SECRET),
        ("AMQP_URL", f"http://u:{SECRET}@h/"),
        ("AMQP_URL", f"amqp://u:{SECRET}@h:99999/"),
        ("AMQP_URL", f"amqp://u:{SECRET}@h:port/"),
        ("AMQP_URL", f"amqp://u:{SECRET}@"),
        ("MAX_MESSAGE_BYTES", "many"),
        ("MAX_MESSAGE_BYTES", "0"),
        ("MAX_MESSAGE_BYTES", "9" * 5000),
        ("DEFAULT_PHONE_REGION", "Russia"),
        ("DEFAULT_PHONE_REGION", "XX"),
        ("LOG_FORMAT", "xml"),
        ("LOG_LEVEL", "loud"),
        ("BROKER_DECLARE", "perhaps"),
        ("EVENT_LOG_MAX_BYTES", "much"),
        ("EVENT_LOG_MAX_BYTES", "500000000"),
        ("EVENT_LOG_SEGMENT_BYTES", "1000"),
        ("EVENT_LOG_SEGMENT_BYTES", "3000000001"),
        ("BROKER_PREFIX", "a b"),
        ("BROKER_PREFIX", "amq."),
        ("BROKER_PREFIX", "amq.contacts."),
        ("AMQP_URL", f"amqp://u:p@h/?{SECRET}=1"),
        ("BROKER_PREFIX", "x" * 65),
        ("REPLY_QUEUE_PREFIX", "a b"),
        ("REPLY_QUEUE_PREFIX", "x" * 65),
        ("BOT_USERS", "telegram"),
        ("BOT_USERS", "telegram="),
        ("BOT_USERS", "telegram=*"),
        ("BOT_USERS", "telegram=web+"),
        ("BOT_USERS", "telegram=Web"),
        ("BOT_USERS", "telegram=web=fax"),
        ("BOT_USERS", "=web"),
        ("BOT_USERS", "telegram=web,telegram=fax"),
        ("BOT_USERS", "ä" * 128 + "=web"),
        ("BOT_USERS", ","),
        ("BOT_USERS", " "),
        ("EVENT_LOG_MAX_AGE", "7 days"),
        ("EVENT_LOG_MAX_AGE", "0D"),
        ("EVENT_LOG_MAX_AGE", "7D\n"),
        ("WORKER_BATCH_SIZE", "0"),
        ("WORKER_BATCH_SIZE", "1.5"),
        ("WORKER_HEALTH_PORT", "65536"),
        ("WORKER_HEALTH_PORT", "http"),
    ],
)
def test_a_bad_value_is_one_line_that_names_the_variable(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever starts the process reads which variable to mend, and no password is in the line."""
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as refusal:
        load(WorkerSettings)
    line = str(refusal.value)
    assert line.startswith(f"{name}: ")
    assert "\n" not in line
    assert SECRET not in line


def test_an_empty_value_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that is there and empty, as compose files leave it, means the default."""
    expected = load(WorkerSettings)
    for name in set(WorkerSettings.model_fields) - {"event_log_max_age"}:
        monkeypatch.setenv(name.upper(), "")
    settings = load(WorkerSettings)
    assert settings == expected
    assert settings.owns_schema


def test_bot_users_have_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spaces around an entry and empty entries do not matter; a user may hold a plus and a colon."""
    assert load(WorkerSettings).decoder.sender_rules.users == {}
    monkeypatch.setenv("BOT_USERS", " tg+bot:1 = web+fax , site=web,")
    assert load(WorkerSettings).decoder.sender_rules.users == {"tg+bot:1": {"web", "fax"}, "site": {"web"}}


def test_both_processes_know_where_replies_may_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """The API replays parked messages, so it refuses the same reply queues as the worker."""
    monkeypatch.setenv("BROKER_PREFIX", "b.")
    monkeypatch.setenv("REPLY_QUEUE_PREFIX", "answers.")
    queues = load(AdminSettings).reply_queues
    assert queues == load(WorkerSettings).reply_queues == ReplyQueues("b.", "answers.")


def test_a_country_may_be_written_in_any_case(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is kept as the library of phone numbers spells it."""
    monkeypatch.setenv("DEFAULT_PHONE_REGION", "kz")
    assert load(SharedSettings).default_phone_region == "KZ"


def test_an_empty_age_means_no_event_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """EVENT_LOG_MAX_AGE is the one variable whose empty value says something: no log."""
    monkeypatch.setenv("EVENT_LOG_MAX_AGE", "")
    assert load(WorkerSettings).event_log_max_age == ""


def test_a_database_that_was_named_is_not_migrated_by_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the default file is upgraded by itself; one set in DATABASE_URL, even to the same, is its owner's."""
    monkeypatch.setenv("DATABASE_URL", "sqlite+aiosqlite:///./data/contacts.db")
    assert not load(SharedSettings).owns_schema


def test_settings_come_from_a_file_and_the_environment_wins(nothing_set: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A `.env` file sets what the environment does not; what it holds for others is ignored."""
    (nothing_set / ".env").write_text("LOG_LEVEL=DEBUG\nLOG_FORMAT=json\nCOMPOSE_PROJECT_NAME=x\n")
    monkeypatch.setenv("LOG_FORMAT", "console")
    settings = load(SharedSettings)
    assert (settings.log_level, settings.log_format, settings.logs_as_json) == ("debug", "console", False)


def test_a_settings_file_in_another_encoding_is_one_line(nothing_set: Path) -> None:
    """A `.env` file that is not UTF-8 stops the process like any other bad setting, not with a traceback."""
    (nothing_set / ".env").write_bytes(b"LOG_LEVEL=\xff\n")
    with pytest.raises(SettingsError) as refusal:
        load(SharedSettings)
    assert "\n" not in str(refusal.value)
    assert ".env" in str(refusal.value)


def test_no_secret_shows_when_settings_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings may land in a log or a traceback; passwords do not."""
    monkeypatch.setenv("DATABASE_URL", f"postgresql+asyncpg://u:{SECRET}@h/x")
    monkeypatch.setenv("AMQP_URL", f"amqp://u:{SECRET}@h/")
    settings = load(WorkerSettings)
    assert SECRET not in f"{settings!r} {settings} {settings.model_dump_json()}"
