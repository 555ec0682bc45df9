"""Gate v4, USDT-settled futures, in its wire format: times in seconds, sizes in contracts, errors by label."""

from orchestration.sandbox import Reply, contract_count, digits, integer, page_limit, present
from orchestration.sandbox.tape import HOUR, Instrument, Market


def _error(label: str, message: str, status: int = 400) -> Reply:
    return Reply(status, {"label": label, "message": message})


NOT_FOUND = _error("NOT_FOUND", "Not Found", 404)
FAULTS = {
    "rate_limit": Reply(
        429,
        {"label": "TOO_MANY_REQUESTS", "message": "Request Rate Limit Exceeded"},
        {"X-Gate-RateLimit-Requests-Remain": "0", "X-Gate-RateLimit-Limit": "200"},
    ),
    "unavailable": _error("TOO_BUSY", "System is busy, please try again later", 503),
    "server_error": _error("SERVER_ERROR", "Internal server error", 500),
    "geo_block": Reply(403, "<html><body><h1>403 Forbidden</h1>Service unavailable in your region.</body></html>"),
    "empty": Reply(200, []),
}
CANDLES, STATS, RATES, LIQUIDATIONS = 2000, 100, 1000, 1000  # the most of a request


def listing(market: Market, query: dict) -> list:
    listed = set(market.listed())
    return [_info(market, instrument) for instrument in _listed(market) if instrument in listed]


def nothing(market: Market, query: dict) -> list:
    return []


def time(market: Market, query: dict) -> dict:
    return {"server_time": market.now}


def candlesticks(market: Market, query: dict) -> list:
    instrument = _instrument(market, query)
    _hourly(query)
    start, end = _range(query)
    if query.get("limit") and (start is not None or end is not None):
        raise _error("INVALID_PARAM_VALUE", "limit conflicts with from and to")
    limit: int | None = page_limit(query, _invalid, default=100, most=CANDLES)
    if start is not None or end is not None:
        end = market.now if end is None else end
        start = end - 100 * HOUR if start is None else start
        limit = None
        if (end - start) // HOUR + 1 > CANDLES:
            raise _error(
                "INVALID_PARAM_VALUE",
                f"Candlestick range too broad. Maximum {CANDLES} data points are allowed per request",
            )
    return [
        present(
            t=at // 1000,
            v=contract_count(volume, instrument.contract_size(at)),
            c=digits(close),
            h=digits(high),
            l=digits(low),
            o=digits(open_),
        )
        for at, open_, high, low, close, volume in market.rows(
            "candles", instrument.symbol, start, end, limit, newest=True
        )
    ]


def contract_stats(market: Market, query: dict) -> list:
    """The row of T holds the flows of [T, T + 1 h) and the open interest observed at T."""
    instrument = _instrument(market, query)
    _hourly(query)
    start, _ = _range(query)
    limit = page_limit(query, _invalid, default=30, most=STATS)
    stats: dict[int, dict] = {}
    for dataset, figures in (("liquidation_totals", _flows), ("open_interest", _stocks)):
        for at, *row in market.rows(dataset, instrument.symbol, start, None, limit, newest=start is None):
            stats.setdefault(at, {"time": at // 1000}).update(figures(instrument.contract_size(at), *row))
    rows = [stats[at] for at in sorted(stats)]
    rows = rows[-limit:] if start is None else rows[:limit]
    if rows:  # the mark at T is the close of the bar that ends there
        first, last = (rows[n]["time"] * 1000 - HOUR for n in (0, -1))
        closes = {(bar[0] + HOUR) // 1000: bar[4] for bar in market.rows("candles", instrument.symbol, first, last)}
    return [{**row, **present(mark_price=closes.get(row["time"]))} for row in rows]


def funding_rate(market: Market, query: dict) -> list:
    instrument = _instrument(market, query)
    limit = page_limit(query, _invalid, default=100, most=RATES)
    settled = market.rows("funding_rates", instrument.symbol, *_range(query), limit, newest=True)
    return [present(t=at // 1000, r=digits(rate)) for at, rate, _ in reversed(settled)]


def liq_orders(market: Market, query: dict) -> list:
    asked = [_instrument(market, query)] if query.get("contract") else _listed(market)
    limit = page_limit(query, _invalid, default=100, most=LIQUIDATIONS)
    start, end = _range(query)
    end = (market.now if start is None else start + HOUR) if end is None else end
    start = end - HOUR if start is None else start
    if end // 1000 - start // 1000 > HOUR // 1000:
        raise _error("INVALID_PARAM_VALUE", "the time range between from and to must not exceed 3600 seconds")
    found = [
        _liquidation(instrument, *row)
        for instrument in asked
        for row in market.rows("liquidations", instrument.symbol, start, end, limit, newest=True)
    ]
    return sorted(found, key=lambda order: order["time"], reverse=True)[:limit]


ROUTES = {
    "/api/v4/futures/usdt/contracts": listing,
    "/api/v4/futures/usdt/candlesticks": candlesticks,
    "/api/v4/futures/usdt/contract_stats": contract_stats,
    "/api/v4/futures/usdt/funding_rate": funding_rate,
    "/api/v4/futures/usdt/liq_orders": liq_orders,
    "/api/v4/futures/btc/contracts": nothing,  # asked by ccxt while it loads markets
    "/api/v4/spot/currencies": nothing,
    "/api/v4/spot/time": time,
}


def _id(instrument: Instrument) -> str:
    return f"{instrument.ticker}_{instrument.quote}"


def _listed(market: Market) -> list[Instrument]:
    return [instrument for instrument in market.instruments() if instrument.settle == "USDT"]


def _info(market: Market, instrument: Instrument) -> dict:
    hours, price = market.funding_interval_hours(instrument.symbol), digits(market.last_price(instrument.symbol))
    latest = market.latest("open_interest", instrument.symbol)
    return present(
        name=_id(instrument),
        type="direct",
        status="trading",
        in_delisting=False,
        quanto_multiplier=digits(instrument.contract_size(market.now)),
        create_time=None if instrument.listed_at is None else instrument.listed_at // 1000,
        funding_interval=None if hours is None else hours * 3600,
        last_price=price,
        mark_price=price,
        position_size=None
        if latest is None
        else _stocks(instrument.contract_size(latest[0]), *latest[1:]).get("open_interest"),
    )


def _flows(
    size: float | None, long_usd: float | None, short_usd: float | None, long: float | None, short: float | None
) -> dict:
    return present(
        long_liq_size=contract_count(long, size),
        long_liq_amount=long,
        long_liq_usd=long_usd,
        short_liq_size=contract_count(short, size),
        short_liq_amount=short,
        short_liq_usd=short_usd,
    )


def _stocks(size: float | None, count: float | None, base: float | None, usd: float | None) -> dict:
    count = contract_count(base, size) if count is None else count
    return present(open_interest=None if count is None else round(count), open_interest_usd=usd)


def _liquidation(
    instrument: Instrument, at: int, is_long: float | None, price: float | None, quantity: float | None
) -> dict:
    """`size` is the position's: positive when a long was liquidated; the order that closes it has the other sign."""
    size = contract_count(quantity, instrument.contract_size(at))
    size = None if size is None or is_long is None else size if is_long else -size
    return present(
        time=at // 1000,
        contract=_id(instrument),
        size=size,
        order_size=None if size is None else -size,
        left=0,
        fill_price=digits(price),
    )


def _instrument(market: Market, query: dict) -> Instrument:
    asked = query.get("contract")
    if not asked:
        raise _error("MISSING_REQUIRED_PARAM", "Missing required parameter: contract")
    for instrument in _listed(market):
        if _id(instrument) == asked:
            return instrument
    raise _error("CONTRACT_NOT_FOUND", f"contract {asked} not found")


def _hourly(query: dict) -> None:
    if query.get("interval", "5m") != "1h":
        raise _invalid("interval")


def _range(query: dict) -> tuple[int | None, int | None]:
    """`from` and `to`, which come in seconds, in ms; the whole second of `to` counts."""
    start, end = (integer(query, name, _invalid) for name in ("from", "to"))
    if start is not None and end is not None and start > end:
        raise _invalid("from")
    return None if start is None else start * 1000, None if end is None else end * 1000 + 999


def _invalid(name: str) -> Reply:
    return _error("INVALID_PARAM_VALUE", f"Invalid request parameter `{name}` value")
