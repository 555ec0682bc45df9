"""FRED's graph CSV as its service answers: a line a weekday, empty where a holiday left none."""

from datetime import date, timedelta

from orchestration.sandbox import Reply
from orchestration.sandbox.tape import Market

NOT_FOUND = Reply(404, "<html><body><h1>Not Found</h1></body></html>")
FAULTS = {
    "rate_limit": Reply(429, "<html><body><h1>Too Many Requests</h1></body></html>"),
    "unavailable": Reply(503, "<html><body><h1>Service Unavailable</h1></body></html>"),
    "geo_block": Reply(403, "<html><body><h1>Access Denied</h1></body></html>"),
    "server_error": Reply(500, "<html><body><h1>Internal Server Error</h1></body></html>"),
    "empty": Reply(200, "observation_date,VIXCLS\n"),
}


def _graph(market: Market, query: dict) -> str:
    if query.get("id") != "VIXCLS":
        raise NOT_FOUND
    known = dict(market.context("vix"))
    asked = {name: _day(query, name) for name in ("cosd", "coed")}
    days = [day for day in known if (asked["cosd"] or day) <= day <= (asked["coed"] or day)]
    lines = ["observation_date,VIXCLS"]
    for number in range((days[-1] - days[0]).days + 1 if days else 0):
        day = days[0] + timedelta(days=number)
        if day.weekday() < 5 or day in known:
            lines.append(f"{day},{known.get(day, '')}")
    return "\n".join(lines) + "\n"


def _day(query: dict, name: str) -> date | None:
    try:
        return date.fromisoformat(query[name]) if name in query else None
    except ValueError:
        raise Reply(400, "<html><body><h1>Bad Request</h1></body></html>") from None


ROUTES = {"/graph/fredgraph.csv": _graph}
