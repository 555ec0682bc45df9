"""Bybit v5, linear, in its wire format: figures and times as strings, newest first, errors as retCode with HTTP 200.

`openInterest` is the sum of both sides, `singleOpenInterest` one side, which is what a tape holds.
"""

from urllib.parse import parse_qs, urlencode

from orchestration.sandbox import Reply, digits, integer, page_limit, present, whole_number
from orchestration.sandbox.tape import Instrument, Market


def _body(code: int, message: str, result: dict, now: int | None = None) -> dict:
    return present(retCode=code, retMsg=message, result=result, retExtInfo={}, time=now)


def _error(code: int, message: str) -> Reply:
    return Reply(200, _body(code, message, {}))


NOT_FOUND = Reply(404, "404 page not found")
FAULTS = {
    "rate_limit": Reply(
        200,
        _body(10006, "Too many visits. Exceeded the API Rate Limit.", {}),
        {"X-Bapi-Limit": "600", "X-Bapi-Limit-Status": "0"},
    ),
    "unavailable": Reply(503, "<html><body><h1>503 Service Temporarily Unavailable</h1></body></html>"),
    "server_error": _error(10016, "Server error."),
    "geo_block": Reply(
        403,
        "<html><body><h1>403 ERROR</h1>The request could not be satisfied. The Amazon CloudFront distribution is "
        "configured to block access from your country.</body></html>",
    ),
    "empty": Reply(200, _body(0, "OK", {"category": "linear", "list": [], "nextPageCursor": ""})),
}


def instruments_info(market: Market, query: dict) -> dict:
    category = _required(query, "category")
    if category not in {"linear", "inverse", "spot", "option"}:
        raise _invalid("category")
    listed = market.listed() if category == "linear" and query.get("status", "Trading") == "Trading" else []
    if query.get("symbol"):
        listed = [instrument for instrument in listed if _id(instrument) == query["symbol"]]
    rows = [_info(market, instrument) for instrument in listed]
    return _ok(market, {"category": category, "list": rows, "nextPageCursor": ""})


def kline(market: Market, query: dict) -> dict:
    instrument = _instrument(market, {"category": "linear", **query})
    if _required(query, "interval") != "60":
        raise _error(10001, "Invalid period!")
    start, end = (integer(query, name, _invalid) for name in ("start", "end"))
    limit = page_limit(query, _invalid, default=200, most=1000)
    # A lone start counts forward, everything else backward from the end.
    bars = market.rows("candles", instrument.symbol, start, end, limit, newest=start is None or end is not None)
    rows = [  # turnover isn't on a tape
        [str(at), *(digits(figure) or "" for figure in figures), ""] for at, *figures in reversed(bars)
    ]
    return _ok(market, {"category": "linear", "symbol": query["symbol"], "list": rows})


def open_interest(market: Market, query: dict) -> dict:
    instrument = _instrument(market, query)
    if _required(query, "intervalTime") != "1h":
        raise _invalid("intervalTime")
    start, end = (integer(query, name, _invalid) for name in ("startTime", "endTime"))
    limit = page_limit(query, _invalid, default=50, most=200)
    if end is None:
        start = None  # the exchange walks backward from endTime and ignores a lone startTime
    if query.get("cursor"):
        end = whole_number(parse_qs(query["cursor"]).get("lasttime", [""])[0], "cursor", _invalid) - 1
    page = market.rows("open_interest", instrument.symbol, start, end, limit, newest=True)
    rows = [{**_both_sides(count, base, None), "timestamp": str(at)} for at, count, base, _ in reversed(page)]
    cursor = urlencode({"lastid": 0, "lasttime": page[0][0]}) if len(page) == limit else ""
    rows = [row for row in rows if "openInterest" in row]
    return _ok(market, {"category": "linear", "symbol": query["symbol"], "list": rows, "nextPageCursor": cursor})


def funding_history(market: Market, query: dict) -> dict:
    instrument = _instrument(market, query)
    start, end = (integer(query, name, _invalid) for name in ("startTime", "endTime"))
    limit = page_limit(query, _invalid, default=200, most=200)
    if start is not None and end is None:
        raise _error(10001, "params error: endTime is required with startTime")
    settled = market.rows("funding_rates", instrument.symbol, start, end, limit, newest=True)
    rows = [
        present(symbol=query["symbol"], fundingRate=digits(rate), fundingRateTimestamp=str(at))
        for at, rate, _ in reversed(settled)
    ]
    return _ok(market, {"category": "linear", "list": rows})


def tickers(market: Market, query: dict) -> dict:
    _linear(query)
    asked = [_instrument(market, query)] if query.get("symbol") else market.instruments()
    return _ok(market, {"category": "linear", "list": [_ticker(market, instrument) for instrument in asked]})


def time(market: Market, query: dict) -> dict:
    return _ok(market, {"timeSecond": str(market.now // 1000), "timeNano": str(market.now * 1_000_000)})


ROUTES = {
    "/v5/market/instruments-info": instruments_info,
    "/v5/market/kline": kline,
    "/v5/market/open-interest": open_interest,
    "/v5/market/funding/history": funding_history,
    "/v5/market/tickers": tickers,
    "/v5/market/time": time,
}


def _id(instrument: Instrument) -> str:
    return instrument.ticker + instrument.quote


def _info(market: Market, instrument: Instrument) -> dict:
    hours = market.funding_interval_hours(instrument.symbol)
    return present(
        symbol=_id(instrument),
        contractType="LinearPerpetual",
        status="Trading",
        baseCoin=instrument.ticker,
        quoteCoin=instrument.quote,
        settleCoin=instrument.settle,
        launchTime=None if instrument.listed_at is None else str(instrument.listed_at),
        deliveryTime="0",
        fundingInterval=None if hours is None else hours * 60,
        leverageFilter={},
        priceFilter={},
        lotSizeFilter={},
    )


def _ticker(market: Market, instrument: Instrument) -> dict:
    _, count, base, usd = market.latest("open_interest", instrument.symbol) or (None, None, None, None)
    hours = market.funding_interval_hours(instrument.symbol)
    return present(
        symbol=_id(instrument),
        lastPrice=digits(market.last_price(instrument.symbol)),
        fundingIntervalHour=None if hours is None else str(hours),
        **_both_sides(count, base, usd),
    )


def _both_sides(count: float | None, base: float | None, usd: float | None) -> dict:
    coins = base if base is not None else count  # one contract is one coin
    return present(
        openInterest=None if coins is None else digits(2 * coins),
        singleOpenInterest=digits(coins),
        openInterestValue=None if usd is None else digits(2 * usd),
        singleOpenInterestValue=digits(usd),
    )


def _instrument(market: Market, query: dict) -> Instrument:
    _linear(query)
    asked = _required(query, "symbol")
    for instrument in market.instruments():
        if _id(instrument) == asked:
            return instrument
    raise _error(10001, "Not supported symbols")


def _linear(query: dict) -> None:
    if _required(query, "category") != "linear":
        raise _invalid("category")


def _required(query: dict, name: str) -> str:
    if not query.get(name):
        raise _error(10001, f"params error: {name} is required")
    return query[name]


def _invalid(name: str) -> Reply:
    return _error(10001, f"params error: {name} invalid")


def _ok(market: Market, result: dict) -> dict:
    return _body(0, "OK", result, market.now)
