"""A server that answers every question with one text, as a source does that has gone wrong in a way of its own."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


@pytest.fixture(scope="module")
def serving_text():
    """A function (text) -> URL of a server that says it; the latest text counts."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            body = http.text.encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()

    def serve(text: str) -> str:
        http.text = text
        return f"http://127.0.0.1:{http.server_port}"

    yield serve
    http.shutdown()
    http.server_close()
