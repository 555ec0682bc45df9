"""OKX v5, swaps, in its wire format: everything a string, newest first, errors as {"code", "msg"}.

`after` and `end` mean earlier than, `before` and `begin` later than; the stamp itself isn't served. Rows of candles and
of the open-interest history are arrays, so a missing figure is "" there.
"""

from orchestration.sandbox import Reply, contract_count, digits, integer, page_limit, present
from orchestration.sandbox.tape import DAY, HOUR, Instrument, Market


def _error(code: str, message: str, status: int = 400) -> Reply:
    return Reply(status, {"code": code, "data": [], "msg": message})


NOT_FOUND = Reply(404, {"code": "404", "data": {}, "msg": "Not Found"})
FAULTS = {
    "rate_limit": _error("50011", "Too Many Requests", 429),
    "unavailable": _error("50001", "Service temporarily unavailable. Please try again later.", 503),
    "server_error": _error("50026", "System error. Please try again later.", 500),
    "geo_block": Reply(403, "<html><body><h1>Access denied</h1>Service unavailable in your region.</body></html>"),
    "empty": Reply(200, {"code": "0", "data": [], "msg": ""}),
}
CANDLES = OPEN_INTEREST_POINTS = 1440
FUNDING_DAYS = 95
LIQUIDATION_DAYS = 7


def instruments(market: Market, query: dict) -> dict:
    listed = set(market.listed())
    return _ok([_listing(instrument, market.now) for instrument in _swaps(market, query) if instrument in listed])


def candles(market: Market, query: dict) -> dict:
    return _candles(market, query, oldest=_floor(market.now) - (CANDLES - 1) * HOUR)


def history_candles(market: Market, query: dict) -> dict:
    return _candles(market, query, oldest=None)


def open_interest_history(market: Market, query: dict) -> dict:
    instrument = _instrument(market, query)
    if query.get("period", "5m") not in {"1H", "1Hutc"}:
        raise _invalid("period")
    oldest = _floor(market.now) - (OPEN_INTEREST_POINTS - 1) * HOUR
    page = _page(market, "open_interest", instrument, query, ("end", "begin"), 100, 100, oldest)
    rows = [(at, _amounts(instrument.contract_size(at), *row)) for at, *row in page]
    return _ok([[str(at), *(figure or "" for figure in amounts)] for at, amounts in rows])


def open_interest(market: Market, query: dict) -> dict:
    rows = []
    for instrument in _swaps(market, query):
        latest = market.latest("open_interest", instrument.symbol)
        if latest:
            oi, coins, usd = _amounts(instrument.contract_size(latest[0]), *latest[1:])
            named = {"instType": "SWAP", "instId": _id(instrument)}
            rows.append({**named, **present(oi=oi, oiCcy=coins, oiUsd=usd, ts=str(latest[0]))})
    return _ok(rows)


def funding_rate_history(market: Market, query: dict) -> dict:
    instrument = _instrument(market, query)
    page = _page(
        market, "funding_rates", instrument, query, ("after", "before"), 400, 400, market.now - FUNDING_DAYS * DAY
    )
    return _ok(
        [
            present(
                instType="SWAP",
                instId=query["instId"],
                formulaType="withRate",
                method="current_period",
                fundingRate=digits(rate),
                realizedRate=digits(rate),
                fundingTime=str(at),
            )
            for at, rate, _ in page
        ]
    )


def funding_rate(market: Market, query: dict) -> dict:
    instrument = _instrument(market, query)
    last, hours = market.latest("funding_rates", instrument.symbol), market.funding_interval_hours(instrument.symbol)
    if last is None:
        return _ok([])
    coming = [str(last[0] + n * hours * HOUR) if hours else None for n in (1, 2)]
    return _ok(
        [
            present(
                instType="SWAP",
                instId=query["instId"],
                method="current_period",
                prevFundingTime=str(last[0]),
                settFundingRate=digits(last[1]),
                settState="settled",
                fundingTime=coming[0],
                nextFundingTime=coming[1],
                ts=str(market.now),
            )
        ]
    )


def liquidation_orders(market: Market, query: dict) -> dict:
    family = query.get("instFamily") or query.get("uly")
    if _required(query, "instType") == "SWAP" and not family:
        raise _error("50015", "Either parameter uly or instFamily is required")
    state = query.get("state") or "filled"
    if state not in {"filled", "unfilled"}:
        raise _invalid("state")
    batches = []
    for instrument in _swaps(market, query) if state == "filled" else []:
        oldest = market.now - LIQUIDATION_DAYS * DAY
        page = _page(market, "liquidations", instrument, query, ("after", "before"), 100, 100, oldest)
        named = {"instFamily": family, "instId": _id(instrument), "instType": "SWAP", "totalLoss": "0", "uly": family}
        batches += [{**named, "details": [_detail(instrument, *row) for row in page]}] if page else []
    return _ok(batches)


def time(market: Market, query: dict) -> dict:
    return _ok([{"ts": str(market.now)}])


ROUTES = {
    "/api/v5/public/instruments": instruments,
    "/api/v5/market/candles": candles,
    "/api/v5/market/history-candles": history_candles,
    "/api/v5/rubik/stat/contracts/open-interest-history": open_interest_history,
    "/api/v5/public/open-interest": open_interest,
    "/api/v5/public/funding-rate-history": funding_rate_history,
    "/api/v5/public/funding-rate": funding_rate,
    "/api/v5/public/liquidation-orders": liquidation_orders,
    "/api/v5/public/time": time,
}


def _family(instrument: Instrument) -> str:
    return f"{instrument.ticker}-{instrument.quote}"


def _id(instrument: Instrument) -> str:
    return f"{_family(instrument)}-SWAP"


def _listing(instrument: Instrument, now: int) -> dict:
    return present(
        instType="SWAP",
        instId=_id(instrument),
        uly=_family(instrument),
        instFamily=_family(instrument),
        baseCcy="",
        quoteCcy="",
        settleCcy=instrument.settle,
        ctVal=digits(instrument.contract_size(now)),
        ctMult="1",
        ctValCcy=instrument.ticker,
        ctType="linear",
        listTime=None if instrument.listed_at is None else str(instrument.listed_at),
        expTime="",
        state="live",
    )


def _candles(market: Market, query: dict, oldest: int | None) -> dict:
    instrument = _instrument(market, query)
    if query.get("bar", "1m") not in {"1H", "1Hutc"}:
        raise _error("51000", "Parameter bar error")
    page = _page(market, "candles", instrument, query, ("after", "before"), 100, 300, oldest)
    return _ok(
        [
            [
                str(at),
                *(
                    digits(figure) or ""
                    for figure in (*prices, contract_count(volume, instrument.contract_size(at)), volume)
                ),
                "",  # volume in the quote currency isn't on a tape
                "1" if at + HOUR <= market.now else "0",
            ]
            for at, *prices, volume in page
        ]
    )


def _amounts(size: float | None, count: float | None, base: float | None, usd: float | None) -> tuple:
    """Contracts, coins and USD; of the first two, which are one quantity in two units, one is enough."""
    if count is None:
        count = contract_count(base, size)
    elif base is None and size is not None:
        base = count * size
    return digits(count), digits(base), digits(usd)


def _detail(
    instrument: Instrument, at: int, is_long: float | None, price: float | None, quantity: float | None
) -> dict:
    side = {} if is_long is None else {"posSide": "long" if is_long else "short", "side": "sell" if is_long else "buy"}
    size = digits(contract_count(quantity, instrument.contract_size(at)))
    return present(bkLoss="0", bkPx=digits(price), ccy="", **side, sz=size, ts=str(at), time=str(at))


def _page(
    market: Market,
    dataset: str,
    instrument: Instrument,
    query: dict,
    bounds: tuple[str, str],
    default: int,
    most: int,
    oldest: int | None,
) -> list[tuple]:
    """Newest first; strictly earlier than the first bound, strictly later than the second."""
    earlier_than, later_than = (integer(query, name, _invalid) for name in bounds)
    limit = page_limit(query, _invalid, default, most)
    first = max((at for at in (None if later_than is None else later_than + 1, oldest) if at is not None), default=None)
    last = None if earlier_than is None else earlier_than - 1
    return market.rows(dataset, instrument.symbol, first, last, limit, newest=True)[::-1]


def _floor(moment: int) -> int:
    return moment - moment % HOUR


def _swaps(market: Market, query: dict) -> list[Instrument]:
    """The swaps, of the asked family or id if one is asked; there are no instruments of other types."""
    kind = _required(query, "instType")
    if kind not in {"SPOT", "MARGIN", "SWAP", "FUTURES", "OPTION"}:
        raise _invalid("instType")
    family = query.get("instFamily") or query.get("uly")
    asked = [
        one
        for one in market.instruments()
        if kind == "SWAP" and (family or _family(one)) == _family(one) and (query.get("instId") or _id(one)) == _id(one)
    ]
    if not asked and (family or query.get("instId")):
        raise _unknown()
    return asked


def _instrument(market: Market, query: dict) -> Instrument:
    asked = _required(query, "instId")
    for instrument in market.instruments():
        if _id(instrument) == asked:
            return instrument
    raise _unknown()


def _unknown() -> Reply:
    return _error("51001", "Instrument ID or Spread ID doesn't exist.", 200)


def _required(query: dict, name: str) -> str:
    if not query.get(name):
        raise _error("50014", f"Parameter {name} can not be empty.")
    return query[name]


def _invalid(name: str) -> Reply:
    return _error("51000", f"Parameter {name} error")


def _ok(rows: list) -> dict:
    return {"code": "0", "data": rows, "msg": ""}
