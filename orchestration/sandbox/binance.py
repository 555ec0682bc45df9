"""Binance USD-M futures (fapi) in its wire format: figures as strings, ascending, errors {"code", "msg"}, HTTP 400."""

from orchestration.sandbox import Reply, digits, integer, page_limit, present
from orchestration.sandbox.tape import DAY, HOUR, Instrument, Market

NOT_FOUND = Reply(404, "<html><body><h2>404 Not found</h2></body></html>")
FAULTS = {
    "rate_limit": Reply(
        429,
        {"code": -1003, "msg": "Too many requests; current limit is 2400 requests per minute."},
        {"Retry-After": "1", "X-MBX-USED-WEIGHT-1M": "2401"},
    ),
    "unavailable": Reply(503, {"code": -1008, "msg": "Server is currently overloaded. Please try again later."}),
    "server_error": Reply(500, {"code": -1000, "msg": "An unknown error occurred while processing the request."}),
    "geo_block": Reply(451, {"code": 0, "msg": "Service unavailable from a restricted location."}),
    "empty": Reply(200, []),
}
OPEN_INTEREST_DAYS = 30


def exchange_info(market: Market, query: dict) -> dict:
    return {**no_symbols(market, query), "symbols": [_symbol(instrument) for instrument in market.listed()]}


def no_symbols(market: Market, query: dict) -> dict:
    return {"timezone": "UTC", "serverTime": market.now, "rateLimits": [], "exchangeFilters": [], "symbols": []}


def time(market: Market, query: dict) -> dict:
    return {"serverTime": market.now}


def klines(market: Market, query: dict) -> list:
    instrument = _instrument(market, query)
    if _required(query, "interval") != "1h":
        raise _error(-1120, "Invalid interval.")
    # What lies beyond the closing time (turnover, trades, taker volumes) isn't on a tape.
    return [
        [at, *map(digits, (open_, high, low, close, volume)), at + HOUR - 1, None, None, None, None, "0"]
        for at, open_, high, low, close, volume in _page(market, "candles", instrument, query, default=500, most=1500)
    ]


def open_interest_hist(market: Market, query: dict) -> list:
    instrument = _instrument(market, query)
    if _required(query, "period") != "1h":
        raise _invalid("period")
    oldest = market.now - OPEN_INTEREST_DAYS * DAY
    return [
        present(
            symbol=query["symbol"],
            sumOpenInterest=digits(base if base is not None else count),  # one contract is one coin
            sumOpenInterestValue=digits(usd),
            timestamp=at,
        )
        for at, count, base, usd in _page(
            market, "open_interest", instrument, query, default=30, most=500, oldest=oldest
        )
    ]


def funding_rate(market: Market, query: dict) -> list:
    asked = [_instrument(market, query)] if query.get("symbol") else market.instruments()
    pages = [(_id(one), row) for one in asked for row in _page(market, "funding_rates", one, query, 100, 1000)]
    return [
        present(symbol=symbol, fundingTime=at, fundingRate=digits(rate))
        for symbol, (at, rate, _) in sorted(pages, key=lambda page: page[1][0])
    ]


def open_interest(market: Market, query: dict) -> dict:
    instrument = _instrument(market, query)
    at, count, base, _ = market.latest("open_interest", instrument.symbol) or (market.now, None, None, None)
    return present(symbol=query["symbol"], openInterest=digits(base if base is not None else count), time=at)


def funding_info(market: Market, query: dict) -> list:
    intervals = {_id(one): market.funding_interval_hours(one.symbol) for one in market.instruments()}
    return [
        {"symbol": symbol, "fundingIntervalHours": hours, "disclaimer": False}
        for symbol, hours in intervals.items()
        if hours is not None
    ]


ROUTES = {
    "/fapi/v1/exchangeInfo": exchange_info,
    "/fapi/v1/time": time,
    "/api/v3/time": time,
    "/fapi/v1/klines": klines,
    "/futures/data/openInterestHist": open_interest_hist,
    "/fapi/v1/fundingRate": funding_rate,
    "/fapi/v1/openInterest": open_interest,
    "/fapi/v1/fundingInfo": funding_info,
    "/api/v3/exchangeInfo": no_symbols,  # spot and coin-margined: asked by a client that wasn't told to leave them
    "/dapi/v1/exchangeInfo": no_symbols,
}


def _id(instrument: Instrument) -> str:
    return instrument.ticker + instrument.quote


def _symbol(instrument: Instrument) -> dict:
    return present(
        symbol=_id(instrument),
        pair=_id(instrument),
        contractType="PERPETUAL",
        deliveryDate=4133404800000,
        onboardDate=instrument.listed_at,
        status="TRADING",
        baseAsset=instrument.ticker,
        quoteAsset=instrument.quote,
        marginAsset=instrument.settle,
        underlyingType="COIN",
        filters=[],
        orderTypes=["LIMIT", "MARKET"],
        timeInForce=["GTC", "IOC", "FOK", "GTX"],
    )


def _instrument(market: Market, query: dict) -> Instrument:
    asked = _required(query, "symbol")
    for instrument in market.instruments():
        if _id(instrument) == asked:
            return instrument
    raise _error(-1121, "Invalid symbol.")


def _page(
    market: Market,
    dataset: str,
    instrument: Instrument,
    query: dict,
    default: int,
    most: int,
    oldest: int | None = None,
) -> list[tuple]:
    """From startTime on where it is given, else the latest; nothing before `oldest`, and no startTime either."""
    start, end = (integer(query, name, _invalid) for name in ("startTime", "endTime"))
    limit = page_limit(query, _invalid, default, most)
    if start is not None and end is not None and start > end:
        raise _error(-1023, "Start time is greater than end time.")
    if oldest is not None and start is not None and start < oldest:
        raise _invalid("startTime")
    first = oldest if start is None else start
    return market.rows(dataset, instrument.symbol, first, end, limit, newest=start is None)


def _required(query: dict, name: str) -> str:
    if not query.get(name):
        raise _error(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")
    return query[name]


def _invalid(name: str) -> Reply:
    return _error(-1130, f"parameter '{name}' is invalid.")


def _error(code: int, message: str) -> Reply:
    return Reply(400, {"code": code, "msg": message})
