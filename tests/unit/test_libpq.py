"""The words of libpq in DATABASE_URL: understood, or refused with a line that shows nothing secret."""

import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme

from distribution.store import database_address, libpq
from distribution.store.libpq import Host

SECRET = "hush4c1d9e"  # noqa: S105  # what is looked for


def read(text: str) -> libpq.ConnectArguments:
    """As an engine reads it."""
    database_address.check(text)
    return libpq.read(database_address.parse(text))


def refusal(text: str) -> str:
    """What is said of an address that is refused."""
    with pytest.raises(ValueError, match=r"^\S") as refused:
        database_address.check(text)
    said = str(refused.value)
    assert SECRET not in said
    assert "\n" not in said
    return said


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg"])
def test_every_name_of_the_scheme(scheme: str) -> None:
    """Hosted databases hand out postgres:// and postgresql://."""
    url = database_address.parse(f"{scheme}://u:p@h:5433/n")
    assert (url.drivername, url.host, url.port, url.database) == ("postgresql+asyncpg", "h", 5433, "n")


@pytest.mark.parametrize(
    ("written", "hosts"),
    [
        ("h", [Host("h")]),
        ("h1:5432,h2:5433", [Host("h1", 5432), Host("h2", 5433)]),
        ("h1,h2:5433,[::1]:5434,[::2]", [Host("h1"), Host("h2", 5433), Host("::1", 5434), Host("::2")]),
        ("[::1]:5434", [Host("::1", 5434)]),
        ("", [Host()]),
    ],
)
@pytest.mark.parametrize("user", ["", "u@", "u:p,w:/?@"])
def test_one_host_or_several(user: str, written: str, hosts: list[Host]) -> None:
    """Each with its own port, behind a user with a password and without one."""
    text = f"postgresql://{user}{written}/n"
    assert list(read(text).hosts) == hosts
    assert database_address.parse(text).database == "n"


@pytest.mark.parametrize(
    ("query", "hosts"),
    [
        ("host=h1:1&host=h2:2", [Host("h1", 1), Host("h2", 2)]),
        ("host=h1,h2&port=1,2", [Host("h1", 1), Host("h2", 2)]),
        ("host=h1,h2&port=7", [Host("h1", 7), Host("h2", 7)]),
        ("host=/run/postgresql", [Host("/run/postgresql")]),
        ("host=::1", [Host("::1")]),
        ("port=7", [Host(None, 7)]),
    ],
)
def test_hosts_in_the_query(query: str, hosts: list[Host]) -> None:
    """As SQLAlchemy and libpq let them be written."""
    assert list(read(f"postgresql://u@/n?{query}").hosts) == hosts


def test_user_password_and_name_in_the_query() -> None:
    """They are the same as in their place, and as secret."""
    found = read("postgresql://h?user=u&password=p%40ss&dbname=n").arguments
    assert [found[name] for name in ("user", "password", "database")] == ["u", "p@ss", "n"]
    url = "postgresql://h/?password=p%40ss"
    assert str(database_address.unusable(url, OSError("p@ss is wrong"))).endswith("cannot be used: *** is wrong")


@pytest.mark.parametrize(
    ("query", "name", "value"),
    [
        ("sslmode=require", "dsn", "postgresql://?sslmode=require"),
        ("ssl=verify-full", "dsn", "postgresql://?sslmode=verify-full"),
        ("sslnegotiation=direct&sslmode=require", "dsn", "postgresql://?sslmode=require&sslnegotiation=direct"),
        ("application_name=crm", "server_settings", {"application_name": "crm"}),
        ("options=-c%20a.b%3D1", "server_settings", {"options": "-c a.b=1"}),
        ("connect_timeout=7", "timeout", 7.0),
        ("timeout=7", "timeout", 7.0),
        ("command_timeout=0.5", "command_timeout", 0.5),
        ("target_session_attrs=read-write", "target_session_attrs", "read-write"),
        ("statement_cache_size=0", "statement_cache_size", 0),
        ("passfile=/p", "passfile", "/p"),
        ("", "timeout", 5.0),
        ("", "command_timeout", 10.0),
        ("channel_binding=prefer&gssencmode=disable&client_encoding=UTF8", "server_settings", {}),
    ],
)  # fmt: skip
def test_what_the_driver_gets(query: str, name: str, value: Any) -> None:
    """Each word means to it what it means to libpq."""
    assert read(f"postgresql://u@h/n?{query}").arguments[name] == value


@pytest.mark.parametrize(
    ("query", "words"),
    [
        (f"sslmode={SECRET}", "sslmode with none of disable, allow, prefer, require, verify-ca, verify-full"),
        ("sslmode=require&ssl=require", "has ssl twice"),
        ("sslmode=require&sslmode=disable", "has sslmode twice"),
        ("target_session_attrs=standby", "any, read-write, primary; a program that writes has no use for a standby"),
        ("channel_binding=require", "the driver knows no channel binding"),
        ("gssencmode=require", "the driver encrypts with TLS alone"),
        ("client_encoding=latin1", "everything here is UTF-8"),
        ("ssl_min_protocol_version=TLSv1", "none of TLSv1.2, TLSv1.3"),
        (f"connect_timeout={SECRET}", "connect_timeout that is not a number of seconds over 0"),
        ("connect_timeout=0", "connect_timeout that is not a number of seconds over 0"),
        ("command_timeout=nan", "command_timeout that is not a number of seconds over 0"),
        (f"statement_cache_size={SECRET}", "statement_cache_size that is not a number"),
        (f"port={SECRET}", "has a port that is not a number"),
        ("port=1,2", "has not as many ports as hosts"),
        (f"keepalives={SECRET}", "has the word keepalives behind its ?, which is not understood"),
        (f"a%20{SECRET}=1", "has a word behind its ?, which is not understood"),
        (f"sslrootcert=/{SECRET}", "names with sslrootcert a file that cannot be read: no such file or directory"),
        (f"sslkey={__file__}", "has an sslkey, which is of no use without sslcert"),
        (f"sslrootcert={__file__}", "names with sslrootcert a file that holds no certificate"),
        (f"sslcert={__file__}", "are not a certificate and its key in PEM"),
        ("sslrootcert=system&sslmode=require", "sslrootcert=system, which goes with sslmode=verify-full alone"),
    ],
)
def test_what_is_refused(query: str, words: str) -> None:
    """One line says which word it is and what is wrong with it, and shows no value."""
    assert words in refusal(f"postgresql://u@h/n?{query}")


@pytest.mark.parametrize("text", [f"postgresql://u:p@s?{SECRET}=1@h/n", f"postgresql://u:p@s?{SECRET}&x=1@h/n"])
def test_the_rest_of_a_password_is_no_word(text: str) -> None:
    """A password with an @ and a ? in it is cut in two; the name of the word would be a part of it."""
    assert "one @ too many" in refusal(text)


@pytest.mark.parametrize("hosts", ["h1,,h2", ",h", "h:0", "h:65536", "h1,h2:x", f"p@ss,{SECRET}@h"])
def test_hosts_that_are_none(hosts: str) -> None:
    """Refused at the start, not when the second one is needed."""
    assert refusal(f"postgresql://u:p@{hosts}/n")


def test_several_hosts_are_shown() -> None:
    """Whoever reads that none can be used sees which were meant."""
    shown = database_address.shown(database_address.parse(f"postgresql://u:{SECRET}@h1:5432,h2/n?sslmode=require"))
    assert shown == "postgresql+asyncpg://h1:5432,h2/n"


def test_a_reason_keeps_its_words() -> None:
    """What is one of a few known values is no secret, and a sentence without it would say nothing."""
    said = str(
        database_address.unusable("postgresql://h/n?sslmode=require&application_name=hushed", OSError("require hushed"))
    )
    assert said.endswith("cannot be used: require ***")


def test_a_pooler_can_be_named() -> None:
    """As Prisma has it; else the first connection finds it out."""
    assert read("postgresql://u@h/n?pgbouncer=true").pooled
    assert not read("postgresql://u@h/n?pgbouncer=false").pooled


def test_the_systems_authorities() -> None:
    """sslrootcert=system verifies chain and host name, with nothing said of sslmode as well."""
    context = read("postgresql://u@h/n?sslrootcert=system&ssl_min_protocol_version=TLSv1.3").arguments["ssl"]
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert context.minimum_version == ssl.TLSVersion.TLSv1_3


@pytest.mark.parametrize("mode", ["", "&sslmode=disable", "&sslmode=allow", "&sslmode=prefer"])
def test_an_authority_that_would_not_be_asked(mode: str, tmp_path: Path) -> None:
    """Whoever names one wants the server verified; libpq would connect to any."""
    trustme.CA().cert_pem.write_to_path(tmp_path / "ca.pem")
    database_address.check(f"postgresql://u@h/n?sslmode=require&sslrootcert={tmp_path}/ca.pem")
    assert "it is meant for verify-full" in refusal(f"postgresql://u@h/n?sslrootcert={tmp_path}/ca.pem{mode}")


def test_a_key_of_another_certificate(tmp_path: Path) -> None:
    """It is said which of the files does not fit."""
    authority = trustme.CA()
    for name in ("mine", "other"):
        made = authority.issue_cert(f"{name}.invalid")
        made.cert_chain_pems[0].write_to_path(tmp_path / f"{name}.pem")
        made.private_key_pem.write_to_path(tmp_path / f"{name}.key")
    files = "sslcert={0}/mine.pem&sslkey={0}/{1}.key"
    assert "does not belong" in refusal(f"postgresql://u@h/n?{files.format(tmp_path, 'other')}")
    assert "sslcert" in str(read(f"postgresql://u@h/n?{files.format(tmp_path, 'mine')}").arguments["dsn"])
