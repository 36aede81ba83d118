"""Wrong tokens are slowed down, by client; a known one never."""

import asyncio

import pytest
from starlette.datastructures import Headers
from structlog.testing import capture_logs

from admin_api.http.auth import Identity, Role, parse_tokens
from admin_api.http.problems import RequestRejected
from admin_api.http.token_guessing import BURST, MOST_ADDRESSES, MOST_PAUSING, GuessLimiter, client_of

GOOD, WRONG, ADDRESS, OTHER = "token-of-an-admin", "token-of-a-guess", "192.0.2.1", "192.0.2.2"
TOKENS = parse_tokens(f"admin:{GOOD}")


def bearer(token: str) -> Headers:
    """The headers of a request with this token."""
    return Headers({"Authorization": f"Bearer {token}"})


class Clock:
    """A clock that stands still."""

    now = 1000.0

    def __call__(self) -> float:
        """The time."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """The clock of the guesses."""
    return Clock()


@pytest.fixture
def guesses(clock: Clock) -> GuessLimiter:
    """Nobody has guessed yet; nobody waits."""
    return GuessLimiter(pause=0, clock=clock)


async def refusal(guesses: GuessLimiter, host: str | None = ADDRESS, headers: Headers | None = None) -> RequestRejected:
    """How a wrong token is refused."""
    with pytest.raises(RequestRejected) as refused:
        await guesses.identify(bearer(WRONG) if headers is None else headers, host, TOKENS)
    return refused.value


async def test_too_many_wrong_tokens_are_429_until_time_has_passed(guesses: GuessLimiter, clock: Clock) -> None:
    """The hint says how long; then one is 401 again."""
    assert [(await refusal(guesses)).status for _ in range(BURST + 5)] == [401] * BURST + [429] * 5
    clock.now += int((await refusal(guesses)).headers["Retry-After"])
    assert [(await refusal(guesses)).status for _ in range(2)] == [401, 429]
    clock.now += 3600
    assert [(await refusal(guesses)).status for _ in range(BURST + 1)] == [401] * BURST + [429]


async def test_a_known_token_is_taken_from_whoever_guessed(guesses: GuessLimiter) -> None:
    """Somebody honest may share the address; it makes guessing no faster."""
    for _ in range(BURST + 1):
        await refusal(guesses)
    assert await guesses.identify(bearer(GOOD), ADDRESS, TOKENS) == Identity(Role.ADMIN)
    assert (await refusal(guesses)).status == 429


async def test_guesses_hold_few_connections(clock: Clock) -> None:
    """Only so many responses come late at a time; all others are refused at once, so that connections are left."""
    guesses = GuessLimiter(burst=1, pause=3600, clock=clock)
    await refusal(guesses)
    pausing = [asyncio.create_task(refusal(guesses)) for _ in range(MOST_PAUSING)]
    async with asyncio.timeout(5):
        await asyncio.sleep(0)  # a turn, in which all of them begin to pause
        assert (await refusal(guesses)).status == 429
    assert not any(task.done() for task in pausing)
    for task in pausing:
        task.cancel()
    await asyncio.gather(*pausing, return_exceptions=True)


async def test_each_client_is_counted_by_itself(guesses: GuessLimiter) -> None:
    """IPv6 by the network that one client has; IPv4 within IPv6 is the same address; what is no address is one."""
    for _ in range(BURST):
        await refusal(guesses, ADDRESS)
    assert (await refusal(guesses, OTHER)).status == 401
    assert (await refusal(guesses, f"::ffff:{ADDRESS}")).status == 429
    assert client_of("2001:db8:1:2:3::4") == client_of("2001:db8:1:2::") == "2001:db8:1:2::/64"
    assert client_of("2001:db8:1:3::") != client_of("2001:db8:1:2::")
    assert client_of(None) == client_of("\x1b[31mred") == client_of("x" * 10_000)


async def test_no_token_is_no_guess(guesses: GuessLimiter) -> None:
    """Nothing is tried by a request without one."""
    for _ in range(BURST + 1):
        assert (await refusal(guesses, headers=Headers())).status == 401


async def test_addresses_are_forgotten_the_longest_unheard_first(guesses: GuessLimiter) -> None:
    """Memory is bounded, however many there are."""
    for _ in range(BURST):
        await refusal(guesses, OTHER)
        await refusal(guesses, ADDRESS)
    for number in range(MOST_ADDRESSES - 1):
        await refusal(guesses, f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    assert (await refusal(guesses, ADDRESS)).status == 429
    assert (await refusal(guesses, OTHER)).status == 401


async def test_wrong_tokens_are_logged_by_address_and_never_themselves(guesses: GuessLimiter) -> None:
    """The first at once; the rest are counted for the next line."""
    with capture_logs() as logged:
        for _ in range(BURST + 5):
            await refusal(guesses)
    [line] = logged
    assert (line["event"], line["addresses"]) == ("wrong_tokens", {ADDRESS: 1})
    assert WRONG not in str(line)
