"""Servers that never end, that send too much or lead elsewhere: each is given up on in time, through the real ccxt."""

import gzip
import itertools
import threading
import time
import tracemalloc
import zlib

import pytest
from wire_server import answering

from orchestration.exchanges import wire
from orchestration.exchanges.client import FetchFailed, call, open_client
from orchestration.exchanges.session import LARGEST_BODY, SECONDS, BoundedSession

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
MEGABYTE = 1_000_000


def ask(url, seconds=SECONDS, largest_body=LARGEST_BODY, allowed=None):
    """(rows or FetchFailed, waits before asking again, seconds that it took)."""
    client = open_client("binance", url)
    client.session = BoundedSession(seconds, largest_body)
    if allowed is not None:
        client.session.allow(allowed, time.monotonic())
    waits, began = [], time.monotonic()
    try:
        result = call(
            lambda: wire.rows(client.fapiPublicGetKlines({"symbol": "BTCUSDT"}), (), list), client, "candles",
            sleep=waits.append,
        )  # fmt: skip
    except FetchFailed as failure:
        result = failure
    return result, waits, time.monotonic() - began


def drips(before: bytes, drop: bytes):
    def write(send, path):
        send(before)
        while True:
            send(drop)
            time.sleep(0.05)

    return write


@pytest.mark.parametrize(
    ("before", "drop"),
    [
        (HEAD + b"Content-Length: 100000\r\n\r\n[", b" "),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nFFFF\r\n[", b" "),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
        (HEAD + b"\r\n[", b" "),
        (HEAD + b"X-Long: ", b"x"),
        (b"", b"H"),
        (HEAD + b"Content-Encoding: gzip\r\n\r\n\x1f\x8b\x08\x10\0\0\0\0\0\0", b"a comment without an end"),
    ],
    ids=["body", "chunk", "chunks", "until it hangs up", "header", "status line", "gzip header"],
)
def test_a_server_that_drips_is_given_up_after_the_deadline_and_not_asked_again(before, drop):
    with answering(drips(before, drop)) as url:
        failure, waits, seconds = ask(url, seconds=0.6)
    assert str(failure) == "binance: candles: no whole answer within 1 s"
    assert not failure.concerns_symbol  # other questions would fare no better
    assert waits == []
    assert 0.5 < seconds < 2


def test_reading_of_a_body_that_was_given_up_ends():
    def reading():
        return {thread for thread in threading.enumerate() if "(ask)" in thread.name}

    before = reading()
    with answering(drips(HEAD + b"\r\n[", b" ")) as url:
        ask(url, seconds=0.3)
        deadline = time.monotonic() + 5
        while reading() - before and time.monotonic() < deadline:
            time.sleep(0.05)
        assert reading() - before == set()


def test_default_deadline_and_body_are_a_minute_and_32_megabytes():
    session = open_client("binance", None).session
    assert (session.seconds, session.largest_body) == (60, 32 * MEGABYTE)


def endless(send, path):
    send(HEAD + b"\r\n[")
    while True:
        send(b" " * 65536)


def test_an_endless_body_is_refused_for_its_size():
    with answering(endless) as url:
        failure, waits, _ = ask(url, largest_body=2 * MEGABYTE)
    assert str(failure) == "binance: candles: its answer is larger than 2 MB"
    assert failure.concerns_symbol  # the exchange answers, and may answer others
    assert not failure.refuses_symbol
    assert waits == []


def bomb(megabytes: int):
    """A gzipped body of blanks, 1 kB for each MB."""
    packer = zlib.compressobj(9, wbits=31)

    def write(send, path):
        send(HEAD + b"Content-Encoding: gzip\r\n\r\n")
        for _ in range(megabytes):
            send(packer.compress(b" " * MEGABYTE))
        send(packer.flush())

    return write


def test_a_gzip_bomb_is_refused_before_it_fills_the_memory():
    tracemalloc.start()
    try:
        with answering(bomb(1000)) as url:
            failure, waits, _ = ask(url)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert str(failure) == "binance: candles: its answer is larger than 32 MB"
    assert waits == []
    assert peak < 5 * LARGEST_BODY


@pytest.mark.parametrize("beyond", [0, 1])
def test_what_counts_is_the_unpacked_body_up_to_its_last_byte(beyond):
    rows = b"[" + b" " * (MEGABYTE - 2 + beyond) + b"]"
    packed = gzip.compress(rows)
    head = HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    with answering(lambda send, path: send(head + packed)) as url:
        answer, _, _ = ask(url, largest_body=MEGABYTE)
    assert answer == [] if beyond == 0 else "larger than 1 MB" in str(answer)


def redirecting(to):
    def write(send, path):
        if path.startswith("/there"):
            send(HEAD + b"Content-Length: 7\r\n\r\n[[1,2]]")
        else:
            send(f"HTTP/1.1 302 Found\r\nLocation: {to}/there\r\nContent-Length: 0\r\n\r\n".encode())

    return write


def test_redirect_to_another_host_is_not_followed():
    asked = []
    with answering(lambda send, path: asked.append(path)) as elsewhere, answering(redirecting(elsewhere)) as url:
        failure, waits, _ = ask(url)
    assert str(failure) == "binance: candles: it redirects to another host, which is not followed"
    assert not failure.concerns_symbol
    assert (asked, waits) == ([], [])


@pytest.mark.parametrize("to", ["//localhost:1", "https://127.0.0.1:1", "ftp://127.0.0.1"])
def test_redirect_that_leads_elsewhere_in_other_ways_is_not_followed(to):
    with answering(redirecting(to)) as url:
        failure, _, _ = ask(url)
    assert "redirects to another host" in str(failure)


def test_redirect_on_the_same_host_is_followed_but_not_in_circles():
    with answering(redirecting("")) as url:
        assert ask(url)[0] == [[1, 2]]
    with answering(lambda send, path: send(b"HTTP/1.1 302 Found\r\nLocation: /a\r\nContent-Length: 0\r\n\r\n")) as url:
        failure, _, seconds = ask(url)
        assert isinstance(failure, FetchFailed)
        assert seconds < 5


def test_deadline_holds_over_redirects_together():
    turns = itertools.count()

    def write(send, path):
        time.sleep(0.25)
        send(b"HTTP/1.1 302 Found\r\nLocation: /%d\r\nContent-Length: 0\r\n\r\n" % next(turns))

    with answering(write) as url:
        failure, _, seconds = ask(url, seconds=0.6)
    assert "no whole answer within 1 s" in str(failure)
    assert seconds < 0.9


def test_what_is_allowed_for_everything_ends_a_request_and_refuses_the_next():
    with answering(drips(HEAD + b"\r\n[", b" ")) as url:
        failure, waits, seconds = ask(url, allowed=0.3)
        assert str(failure) == "binance: candles: the 0 s allowed for all that was to be asked are over"
        assert not failure.concerns_symbol
        assert seconds < 1
        assert waits == []
    failure, _, seconds = ask("http://127.0.0.1:9", allowed=-1.0)
    assert "allowed for all that was to be asked are over" in str(failure)
