"""AMQP_URL: what it may hold, what is said of a bad one, and in which order brokers are tried."""

import asyncio
from random import Random

import aiormq
import pytest
from yarl import URL

from worker.broker.urls import (
    FIRST_PAUSE_SECONDS,
    LONGEST_PAUSE_SECONDS,
    BrokerRotation,
    connect_seconds,
    host_port,
    parse,
)

SECRET = "s3cr3t-w0rd"  # noqa: S105  # not one


def brief(text: str) -> list[str]:
    """The addresses without what every one gets."""
    return [str(url.with_query(None)) for url in parse(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("amqp://u:p@a/", ["amqp://u:p@a/"]),
        ("amqp://u:p@a/v,amqp://w:q@b:5673/", ["amqp://u:p@a/v", "amqp://w:q@b:5673/"]),
        (" amqps://u:p@a/ , amqps://u:p@b/\n", ["amqps://u:p@a/", "amqps://u:p@b/"]),
        ("amqp://u:p@a,b:5673,[::1]:5674/v", ["amqp://u:p@a/v", "amqp://u:p@b:5673/v", "amqp://u:p@[::1]:5674/v"]),
        ("amqp://u:p@a,b,amqp://c/x", ["amqp://u:p@a", "amqp://u:p@b", "amqp://c/x"]),
        ("amqp://u:p,q@a,b/", ["amqp://u:p,q@a/", "amqp://u:p,q@b/"]),
    ],
)
def test_several_brokers(text: str, expected: list[str]) -> None:
    """Commas separate whole addresses, or hosts that share user, port and virtual host; a password may hold one."""
    assert brief(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        SECRET,
        f"http://u:{SECRET}@h/",
        f"amqp://u:{SECRET}@",
        f"amqp://u:{SECRET}@h:99999/",
        f"amqp://u:{SECRET}@h:port/",
        f"amqp://u:{SECRET}@a b/",
        f"amqp://u:{SECRET}@a..b/",
        f"amqp://u:{SECRET}@a,/",
        f"amqp://u:{SECRET}@a/,",
        f"amqp://u:{SECRET}@a/,b/",
        f"amqp://u:{SECRET}@a/,,amqp://b/",
        f"amqp://u:{SECRET}@a,u:{SECRET}@b/",
        f"amqp://u:{SECRET}@a/,amqps://b/",
        f"amqp://u:{SECRET}@a/?heartbeat=soon",
        f"amqp://u:{SECRET}@a/?heartbeat=-1",
        f"amqp://u:{SECRET}@a/?heartbeat=100000",
        f"amqp://u:{SECRET}@a/?heartbeat=5&heartbeat=6",
        f"amqp://u:{SECRET}@a/?timeout=0",
        f"amqp://u:{SECRET}@a/?hartbeat=5",
        f"amqp://u:{SECRET}@a/?heartbeat=5&connection_attempts=3",
        f"amqp://u:{SECRET}@a/,amqp://b/?x={SECRET}",
        f"amqp://u:p@a/?{SECRET}",
        f"amqp://u:p@a/?{SECRET}=1",
        f"amqps://u:{SECRET}@a/?auth={SECRET}",
        f"amqp://u:{SECRET}@a\nb/",
        "",
    ],
)
def test_what_is_wrong_is_one_line_without_the_password(text: str) -> None:
    """Whoever reads the line can act on it, and whoever reads over the shoulder learns nothing."""
    with pytest.raises(ValueError, match=r"^(is|has|asks|mixes) [^\n]+$") as refusal:
        parse(text)
    assert SECRET not in str(refusal.value)


def test_heartbeat_is_15_unless_said_otherwise() -> None:
    """A broker that froze is noticed within a minute; the address may ask for another time."""
    assert [url.query["heartbeat"] for url in parse("amqp://a/,amqp://b/?heartbeat=5")] == ["15", "5"]


def test_parameters_that_are_known() -> None:
    """Those of the client library, each with its effect; another is refused with the list of them."""
    (url,) = parse(
        "amqps://a/%2F?auth=external&name=w&timeout=3&cafile=c&capath=d&certfile=e&keyfile=f&no_verify_ssl=1"
    )
    assert connect_seconds(url) == 3
    with pytest.raises(ValueError, match=r"parameter \(number 2\) that is not known, expected auth, heartbeat, name, "):
        parse("amqp://a/?heartbeat=5&ssl=true")


@pytest.mark.parametrize("path", ["", "/", "/%2F", "/%2f"])
def test_the_virtual_host_that_every_broker_has(path: str) -> None:
    """`/%2F` is what clients in Java, Ruby and C take for it; Python's also read a bare slash so."""
    (url,) = parse(f"amqp://u:p@a:5672{path}")
    loop = asyncio.new_event_loop()
    assert aiormq.Connection(url, loop=loop).vhost == "/"
    loop.close()


def test_the_place_names_host_and_port_alone() -> None:
    """What logs say of a broker holds no user and no password."""
    shown = [
        host_port(url) for text in ("amqp://u:p@a/v", "amqps://u:p@a/", "amqp://u:p@[::1]:7/") for url in parse(text)
    ]
    assert shown == ["a:5672", "a:5671", "[::1]:7"]


def turns(number: int) -> BrokerRotation:
    """Over a number of brokers."""
    return BrokerRotation([URL(f"amqp://h{each}/") for each in range(number)], Random(5))


def test_all_brokers_are_tried_before_the_first_pause() -> None:
    """A round goes over every broker at once; then comes a pause, and the next round has the same order."""
    line = turns(3)
    tried, pauses = [], []
    for _ in range(6):
        tried.append(line.url)
        pauses.append(line.failed())
    assert len(set(tried[:3])) == 3
    assert tried[3:] == tried[:3]
    assert [bool(pause) for pause in pauses] == [False, False, True] * 2


def test_pauses_grow_up_to_a_limit_and_are_never_the_same() -> None:
    """Workers that lost one broker together do not come back together, and do not stay away long."""
    line = turns(1)
    pauses = [line.failed() for _ in range(12)]
    assert len(set(pauses)) == 12
    assert FIRST_PAUSE_SECONDS / 2 <= pauses[0] <= FIRST_PAUSE_SECONDS
    assert all(LONGEST_PAUSE_SECONDS / 2 <= pause <= LONGEST_PAUSE_SECONDS for pause in pauses[6:])


def test_only_a_connection_that_lasted_makes_pauses_short_again() -> None:
    """After one that lasted the next failure is the first of a new round."""
    line = turns(2)
    for _ in range(9):
        line.failed()
    line.lasted()
    assert line.failed() == 0.0
    assert line.failed() <= FIRST_PAUSE_SECONDS


def test_workers_begin_at_different_brokers() -> None:
    """Several workers with the same setting spread over the brokers."""
    urls = [URL(f"amqp://h{each}/") for each in range(3)]
    assert len({BrokerRotation(urls, Random(seed)).url for seed in range(20)}) == 3
