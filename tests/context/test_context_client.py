"""The way to a context source, against a real server: what is asked again, what is given up on, and in which words."""

import gzip
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from orchestration.context.client import LARGEST_BODY, TRIES, SourceFailed, ask

ADDRESS = "https://fred.stlouisfed.org/graph/fredgraph.csv?id=VIXCLS"


@pytest.fixture(scope="module")
def server():
    """A server whose `script` holds functions of a request's handler, the last one for ever; `paths` were asked for."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            http.paths.append(self.path)
            (http.script.pop(0) if len(http.script) > 1 else http.script[0])(self)

        def log_message(self, *_):
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads, http.paths = True, []
    threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
    yield http
    http.shutdown()
    http.server_close()


def saying(status: int = 200, body: bytes = b"good", length: int | None = None, **headers: str):
    def say(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in {"Content-Length": str(len(body) if length is None else length), **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return say


def dripping(handler: BaseHTTPRequestHandler) -> None:
    """A byte every 50 ms: never silent, never done."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    for _ in range(100):
        time.sleep(0.05)
        try:
            handler.wfile.write(b"x")
        except OSError:
            return


def asked(server, *script, seconds: float = 5):
    """(answer or SourceFailed, how often it was asked)"""
    server.script, server.paths[:] = list(script), []
    try:
        answer = ask("fred", ADDRESS, f"http://127.0.0.1:{server.server_port}/", seconds)
    except SourceFailed as failure:
        answer = failure
    return answer, len(server.paths)


def test_the_path_is_kept_under_the_name_of_the_source(server):
    answer, _ = asked(server, saying())
    assert (answer.text, answer.origin) == ("good", "live")
    assert server.paths == ["/fred/graph/fredgraph.csv?id=VIXCLS"]


def test_a_tape_that_stands_in_says_so(server):
    answer, _ = asked(server, saying(Market_Stress_Origin="replayed:context"))
    assert answer.origin == "replayed:context"


@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_may_pass_is_asked_again(server, status):
    answer, times = asked(server, saying(status), saying())
    assert (answer.text, times) == ("good", 2)


def test_what_does_not_pass_is_told_in_one_line(server):
    failure, times = asked(server, saying(500, b"<html>oops</html>"))
    assert (str(failure), times) == (f"fred: HTTP 500 (asked {TRIES} times)", TRIES)
    failure, times = asked(server, saying(404))
    assert (str(failure), times) == ("fred: HTTP 404", 1)


def test_an_answer_cut_short_is_none(server):
    failure, _ = asked(server, saying(length=1000))
    assert str(failure) == f"fred: its answer was cut short (asked {TRIES} times)"


def test_all_of_an_answer_has_one_deadline(server):
    began = time.monotonic()
    failure, times = asked(server, dripping, seconds=1)
    assert (str(failure), times) == ("fred: no whole answer within 1 s", 1)
    assert time.monotonic() - began < 3


def test_a_body_has_a_largest_size_also_unpacked(server):
    body = gzip.compress(bytes(LARGEST_BODY + 1))
    failure, _ = asked(server, saying(body=body, Content_Encoding="gzip"))
    assert str(failure) == f"fred: its answer has more than {LARGEST_BODY:,} bytes"


def test_bytes_that_are_no_text_are_shown(server):
    failure, _ = asked(server, saying(body=b"\xff\xfe\x00"))
    assert (str(failure), failure.answer) == ("fred: its answer is no text", r"b'\xff\xfe\x00'")


def test_a_circle_of_redirects_ends(server):
    failure, times = asked(server, saying(302, Location="/fred/again"))
    assert str(failure) == "fred: its answer is no HTTP (TooManyRedirects)"
    assert times < 10


def test_nobody_there_is_told(server):
    with pytest.raises(SourceFailed, match=r"^ecb: can't be reached \(asked 3 times\)$"):
        ask("ecb", ADDRESS, "http://127.0.0.1:9")
