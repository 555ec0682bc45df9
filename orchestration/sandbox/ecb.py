"""The ECB data portal's SDMX-CSV as its service answers, in the columns of `detail=dataonly`."""

from datetime import date

from orchestration.sandbox import Reply
from orchestration.sandbox.tape import Market

NOT_FOUND = Reply(404, "No results found.")
FAULTS = {
    "rate_limit": Reply(429, "Too Many Requests"),
    "unavailable": Reply(503, "Service Unavailable"),
    "geo_block": Reply(403, "Forbidden"),
    "server_error": Reply(500, "Internal Server Error"),
    "empty": Reply(200, ""),
}
KEY = "D.U2.Z0Z.4F.EC.SS_CIN.IDX"
HEAD = "KEY,FREQ,REF_AREA,CURRENCY,PROVIDER_FM,INSTRUMENT_FM,PROVIDER_FM_ID,DATA_TYPE_FM,TIME_PERIOD,OBS_VALUE"


def _data(market: Market, query: dict) -> str:
    if query.get("format") != "csvdata":
        raise Reply(406, "Only format=csvdata is spoken here.")
    first, last = (_day(query, name) for name in ("startPeriod", "endPeriod"))
    cells = ",".join(["CISS." + KEY, *KEY.split(".")])
    lines = [
        f"{cells},{day},{value}"
        for day, value in market.context("ciss_euro_area")
        if (first or day) <= day <= (last or day)
    ]
    return "\r\n".join([HEAD, *lines, ""]) if lines else ""


def _day(query: dict, name: str) -> date | None:
    try:
        return date.fromisoformat(query[name]) if name in query else None
    except ValueError:
        raise Reply(400, f"Invalid value for parameter {name}.") from None


ROUTES = {f"/service/data/CISS/{KEY}": _data}
