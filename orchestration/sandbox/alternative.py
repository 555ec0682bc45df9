"""alternative.me's fear and greed index as its service answers: the latest days, newest first, figures as text."""

from datetime import date

from orchestration.sandbox import Reply, integer
from orchestration.sandbox.tape import DAY, Market, day_ms

NOT_FOUND = Reply(404, "<html><body><h1>404 Not Found</h1></body></html>")
FAULTS = {
    "rate_limit": Reply(429, "<html><body><h1>429 Too Many Requests</h1></body></html>", {"Retry-After": "1"}),
    "unavailable": Reply(503, "<html><body><h1>503 Service Unavailable</h1></body></html>"),
    "geo_block": Reply(403, "<html><body><h1>403 Forbidden</h1></body></html>"),
    "server_error": Reply(500, "<html><body><h1>500 Internal Server Error</h1></body></html>"),
    "empty": Reply(200, {"name": "Fear and Greed Index", "data": [], "metadata": {"error": None}}),
}
CLASSES = ((25, "Extreme Fear"), (46, "Fear"), (55, "Neutral"), (76, "Greed"), (101, "Extreme Greed"))


def _index(market: Market, query: dict) -> dict:
    limit = integer(query, "limit", lambda name: Reply(400, {"name": name, "metadata": {"error": "Invalid limit."}}))
    latest = list(reversed(market.context("fear_and_greed")))
    rows = [_row(day, value) for day, value in (latest if limit == 0 else latest[: limit or 1])]
    if rows:
        rows[0]["time_until_update"] = f"{(DAY - market.now % DAY) // 1000}"
    return {"name": "Fear and Greed Index", "data": rows, "metadata": {"error": None}}


def _row(day: date, value: float) -> dict:
    named = next(name for below, name in CLASSES if value < below)
    return {"value": f"{value:.0f}", "value_classification": named, "timestamp": f"{day_ms(day) // 1000}"}


ROUTES = {"/fng/": _index}
