"""The way to a context source and back: HTTPS, a deadline for all of it, a largest body, few tries, and why it failed.

Here belongs what holds for every source alike; what is asked and how an answer is read stands in `sources`.
"""

import asyncio
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestration.exchanges.client import stated_origin

if TYPE_CHECKING:
    import aiohttp

DEADLINE_SECONDS = 15.0  # from asking to the last byte
LARGEST_BODY = 8_000_000  # bytes; all of VIX since 1990 has 200,000
TRIES = 3
FIRST_WAIT_SECONDS = 0.5
PASSING = {429, 500, 502, 503, 504}  # what may be over a second later


class SourceFailed(Exception):
    """A source could not be read: one line for people. `answer` is the beginning of what it said instead, if it did."""

    def __init__(self, reason: str, answer: str | None = None) -> None:
        super().__init__(reason)
        self.answer = answer


@dataclass(frozen=True)
class Answer:
    """What a source said, and whether it was the source itself (`live`) or a tape that stood in for it."""

    text: str
    origin: str


def ask(source: str, address: str, url: str | None, seconds: float = DEADLINE_SECONDS) -> Answer:
    """The answer at an `address`; with `url` it is asked of `<url>/<source>/<original path>` instead.

    What may pass (no connection, an overload) is asked again, silence is not. Raises SourceFailed.
    """
    place = address if url is None else re.sub(r"^https://[^/]+", lambda _: f"{url.rstrip('/')}/{source}", address)
    return asyncio.run(_ask(source, place, url is None, seconds))


async def _ask(source: str, place: str, only_https: bool, seconds: float) -> Answer:
    import aiohttp

    timeout = aiohttp.ClientTimeout(total=seconds)
    async with aiohttp.ClientSession(timeout=timeout, headers={"User-Agent": "market-stress"}) as session:
        for attempt in range(1, TRIES + 1):
            try:
                async with session.get(place, max_redirects=3) as response:
                    if only_https and response.url.scheme != "https":
                        raise SourceFailed(f"{source}: it leads away from HTTPS")
                    body = await _body(source, response)
                    if response.status == 200:
                        return Answer(_text(source, body), stated_origin(response.headers))
                    reason, may_pass = f"HTTP {response.status}", response.status in PASSING
            except TimeoutError:
                raise SourceFailed(f"{source}: no whole answer within {seconds:.0f} s") from None
            except aiohttp.ClientPayloadError:
                reason, may_pass = "its answer was cut short", True
            except aiohttp.ClientConnectionError:
                reason, may_pass = "can't be reached", True
            except (aiohttp.ClientError, ValueError) as error:
                reason, may_pass = f"its answer is no HTTP ({type(error).__name__})", False
            if not may_pass or attempt == TRIES:
                asked = f" (asked {attempt} times)" if attempt > 1 else ""
                raise SourceFailed(f"{source}: {reason}{asked}")
            await asyncio.sleep(FIRST_WAIT_SECONDS * 2 ** (attempt - 1))
    raise ValueError(f"TRIES is {TRIES}: ask at least once")


async def _body(source: str, response: "aiohttp.ClientResponse") -> bytes:
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > LARGEST_BODY:
            raise SourceFailed(f"{source}: its answer has more than {LARGEST_BODY:,} bytes")
    return bytes(body)


def _text(source: str, body: bytes) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        raise SourceFailed(f"{source}: its answer is no text", repr(body[:200])) from None
