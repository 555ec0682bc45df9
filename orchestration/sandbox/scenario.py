"""The built-in tape `deleveraging-2026-02`: 300 simulated days up to 2026-02-12T00:00Z. It is a model, never facts.

Here belong the market model and its calibration to what two news articles of February 2026 claim; how a tape is served
is the matter of `tape` and of the exchanges' modules. All randomness comes from the seed: same seed, same tape.

The model, from cause to effect, hour by hour:

1. Prices are random walks with fat tails whose volatility clusters and rises with the pace of the market. They are bent
   into bridges through KNOTS and folded into CORRIDORS, so a support level is broken once, and at its hour.
2. Positions (coins) follow the trend and are cut by shocks, bent through the open interest of KNOTS.
   Leverage is positions against their own month; funding follows leverage and trend.
3. Liquidations are open interest x leverage x a power of the hour's move against the position. Those of the last day,
   week and month are then scaled to the claimed sums, and the hour that leaves such a window is made equal to the hour
   that enters it, so that both articles, an hour apart, read the same sum.
4. Exchanges share positions and liquidations. Their prices deviate in pairs, one up and one down by as much, so the
   median over them is the asset's own price. Binance, Bybit and OKX publish events, Gate publishes hourly totals.

The sums are those that exchanges *reported*; two of the feeds are throttled, so no true sum is simulated.
"""

from decimal import Decimal
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd

from orchestration.sandbox import SCENARIO
from orchestration.sandbox.scenario_context import context

ORIGIN = f"simulated:{SCENARIO}"  # its rows say so wherever they go
SEED = 20260212
START, END = pd.Timestamp("2025-04-18", tz="UTC"), pd.Timestamp("2026-02-12", tz="UTC")
HOURS = round((END - START) / pd.Timedelta(hours=1))

ASSETS = ("BTC", "ETH", "SOL", "XRP", "BNB")
EXCHANGES = ("binance", "bybit", "okx", "gate")
CONTRACT_SIZES = {  # coins
    "binance": (1, 1, 1, 1, 1),
    "bybit": (1, 1, 1, 1, 1),
    "okx": (0.01, 0.1, 1, 100, 0.01),
    "gate": (0.0001, 0.01, 1, 10, 0.001),
}
LOTS = (0.001, 0.001, 0.01, 0.1, 0.01)  # coins, the smallest orders where a contract is one coin
PRICE_DECIMALS = (1, 2, 2, 4, 2)
PRICE_KINDS = ("average", "bankruptcy", "bankruptcy")  # of the three exchanges that publish events

# Claims of docs/scenario.md, by their numbers, at the two articles' moments (BNB's first return is nobody's claim).
ARTICLES = ("2026-02-11T23", "2026-02-12T00")
RETURNS_24H = ((-0.0111, -0.0230, -0.0347, -0.0220, -0.0057), (-0.0137, -0.0250, -0.0375, -0.0220, -0.0059))  # 1
OPEN_INTEREST_CHANGE_24H = -0.044  # 4
BTC_LONG_24H_USD = 237e6  # 2
BTC_7D_USD, BTC_30D_USD = 2.16e9, 4.415e9  # 3, and the two paces: 309 M and 147 M a day
ALL_7D_USD, ALL_30D_USD = 6.6e9, 9.4e9  # 3: BTC's own weeks before leave no less than 9.3 B to ALL's month
SHARES_28D_AGO = (0.46, 0.28, 0.12, 0.09, 0.05)  # 7, 10: what each asset holds of open interest
SHARES_NOW = (44 / 92.7, 25.2 / 92.7, 10.6 / 92.7, 7.6 / 92.7, 5.3 / 92.7)  # 5
DAYS_OF_FALL = 28  # 7

# Prices in USD and open interest of all assets in billions of USD. Claims 1 (last rows), 5 and 7 (open interest), 8 (a
# loss of 0.9 B on 2026-02-02, at whichever holdings were known then), 9 (75,000 and 70,000 broken) and 10 (the split).
KNOTS = """
hour            BTC     ETH   SOL    XRP     BNB  open_interest
2025-04-18T00  84500   1590  134.0  2.080   590   88
2025-05-22T12 111000   2650  178.0  2.420   680  125
2025-06-22T12 100500   2240  133.0  2.020   625  112
2025-07-14T08 121500   3000  165.0  2.950   695  146
2025-08-02T18 113200   3440  161.0  2.850   745  143
2025-08-13T20 123000   4720  201.0  3.280   845  170
2025-09-01T06 108300   4390  200.0  2.750   855  156
2025-09-18T12 117300   4590  247.0  3.100   985  178
2025-09-25T20 109300   3890  195.0  2.760   950  160
2025-10-06T18 125600   4690  232.0  2.990  1220  190
2025-10-10T14 121500   4340  222.0  2.820  1265  181
2025-10-10T20 117200   4060  206.0  2.650  1175  170
2025-10-10T22 104900   3470  163.0  1.990   950  128
2025-10-11T06 112000   3790  183.0  2.400  1110  127
2025-10-27T00 115000   4160  200.0  2.620  1140  140
2025-11-04T20 100800   3300  155.0  2.220   940  118
2025-11-21T12  83500   2740  128.0  1.950   830  108
2025-12-09T16  92800   3150  138.0  2.080   900  125
2025-12-18T18  85800   2830  121.0  1.840   845  121
2026-01-05T12  89500   2830  122.0  1.900   835  136
2026-01-15T00  84300   2593  106.7  1.758   754  140.5
2026-01-22T00  85000   2610  107.0  1.765   757  138
2026-01-25T18  84000   2570  106.0  1.750   750  136
2026-01-29T12  83400   2530  104.0  1.720   742  134
2026-01-31T13  82300   2500  102.5  1.700   735  131
2026-01-31T16  76900   2410   98.0  1.635   710  122
2026-02-02T08  76200   2400   97.5  1.625   706  119
2026-02-02T13  75300   2385   96.8  1.610   702  118
2026-02-02T14  74785   2375   96.2  1.602   700  117
2026-02-02T15  74768   2374   96.2  1.602   700  117
2026-02-03T20  73100   2350   95.5  1.590   694  116
2026-02-05T06  71300   2300   93.5  1.565   684  114
2026-02-05T15  69300   2180   87.5  1.480   660  109
2026-02-06T00  61900   1770   68.0  1.150   590   97
2026-02-06T20  68600   2040   84.0  1.450   642   97
2026-02-07T22  68300   2010   82.5  1.410   630   98
2026-02-09T12  69200   2060   85.5  1.430   632   98.5
2026-02-11T15  66200   1925   79.3  1.359   604   93.4
2026-02-11T23  67560 1949.0   80.2 1.3740 611.2   92.8
2026-02-12T00  67450 1945.0   80.0 1.3710 610.5   92.7
"""
CORRIDORS = (  # BTC from this hour on: lowest and highest price
    ("2025-04-18T00", 75_180, 126_200),
    ("2026-02-02T14", 70_100, 74_790),
    ("2026-02-03T00", 70_100, 74_300),  # the holder's loss has passed 0.9 B for good
    ("2026-02-05T15", 60_200, 69_850),
)

VOLATILITY = 0.0036  # of BTC in a calm hour
BETAS, OWN_RISKS = (1.0, 1.25, 1.4, 1.25, 0.95), (0.0, 0.45, 0.55, 0.55, 0.45)  # against BTC's moves and volatility
LIQUIDATED_SHARES, LIQUIDATION_POWER = (7.0, 2.5, 2.5, 2.5, 2.5), 2.4  # of open interest: share x move ** power
POSITION_SHARES = (0.40, 0.25, 0.20, 0.15)  # of the exchanges
REPORTED_SHARES = (0.30, 0.42, 0.18, 0.10)
TYPICAL_EVENT_USD, SMALLEST_CELL_USD = np.array((300e3, 250e3, 150e3, 150e3, 100e3)), 8e3

SYMBOLS = [f"{asset}/USDT:USDT" for asset in ASSETS]
ORDER_SIZES = np.array((LOTS, LOTS, CONTRACT_SIZES["okx"], CONTRACT_SIZES["gate"]))
EACH = np.arange(len(EXCHANGES))[:, None, None], np.arange(len(ASSETS))[:, None]  # exchange and asset, to be broadcast
BTC, ALTCOINS, LONG, SHORT = slice(0, 1), slice(1, None), 0, 1


def write_tape(folder: Path, seed: int = SEED) -> None:
    """Writes the eight files of the tape, with the receipts of what REST can't reach, into `folder`.

    Columns are the contracts', and `origin`. Each exchange's open interest holds the figures that it publishes: Binance
    no contracts, Bybit coins only.
    """
    rng = np.random.default_rng(seed)
    knots = _knots()
    price, volatility = _prices(rng, knots)
    high, low = _ranges(rng, price, volatility)
    positions = _positions(rng, price, knots)
    leverage = positions / _smooth(positions, 720)
    flows = _calibrated(_liquidations(rng, price, high, low, positions * leverage))
    flows = flows * _shared(REPORTED_SHARES, 0.4 * rng.standard_normal((4, *flows.shape)))
    positions = positions * _shared(POSITION_SHARES, 0.12 * _wander(rng, 240, 4, *positions.shape))

    one, other = 1e-4 * _wander(rng, 6, 2, *price.shape)
    basis = np.exp(np.stack((one, -one, other, -other)))
    quoted = _to_tick(price * basis)
    open_, close = quoted[..., :-1], quoted[..., 1:]
    high = np.maximum(_to_tick(high * basis[..., 1:]), np.maximum(open_, close))
    low = np.minimum(_to_tick(low * basis[..., 1:]), np.minimum(open_, close))

    folder.mkdir(parents=True, exist_ok=True)
    tables = {
        "instruments": _instruments(),
        "candles": _candles(rng, (open_, high, low, close), positions),
        "open_interest": _open_interest(positions, quoted),
        "funding_rates": _funding_rates(rng, price, leverage),
        "liquidation_totals": _liquidation_totals(flows[3], close[3]),
        "liquidations": _events(rng, flows[:3], low, high),
        "coverage": _coverage(),
        "context": context(),
    }
    for name, table in tables.items():
        table.assign(origin=ORIGIN).to_parquet(folder / f"{name}.parquet", index=False, compression="zstd")


def _knots() -> pd.DataFrame:
    """KNOTS by hour of the tape, with open interest per asset, and the rows that the changes of 24 h imply."""
    knots = pd.read_csv(StringIO(KNOTS), sep=r"\s+", index_col="hour").rename(_hour)
    since = np.clip((knots.index - (HOURS - 24 * DAYS_OF_FALL)) / (24 * DAYS_OF_FALL), 0, 1).to_numpy()[:, None]
    shares = (1 - since) * SHARES_28D_AGO + since * SHARES_NOW
    knots[SYMBOLS] = 1e9 * shares * knots.pop("open_interest").to_numpy()[:, None]
    for article, returns in zip(map(_hour, ARTICLES), RETURNS_24H, strict=True):
        changes = np.array([*returns, *[OPEN_INTEREST_CHANGE_24H] * len(ASSETS)])
        knots.loc[article - 24] = knots.loc[article] / (1 + changes)
    return knots.sort_index()


def _hour(stamp: str) -> int:
    return round((pd.Timestamp(stamp, tz="UTC") - START) / pd.Timedelta(hours=1))


def _bridge(path: np.ndarray, knots: pd.DataFrame) -> np.ndarray:
    """Paths (assets x hours) bent so that they pass through the knots; in between they keep their own moves."""
    missed = knots.to_numpy().T - path[:, knots.index]
    return path + [np.interp(np.arange(HOURS + 1), knots.index, gaps) for gaps in missed]


def _smooth(paths: np.ndarray, half_life_hours: float) -> np.ndarray:
    """Exponential mean along the last axis."""
    columns = pd.DataFrame(paths.reshape(-1, paths.shape[-1]).T).ewm(halflife=half_life_hours, adjust=False).mean()
    return columns.to_numpy().T.reshape(paths.shape)


def _wander(rng: np.random.Generator, half_life_hours: float, *shape: int) -> np.ndarray:
    """Noise of variance 1 that remembers itself along the last axis."""
    noise = rng.standard_normal(shape)
    weight = 1 - 0.5 ** (1 / half_life_hours)
    noise[..., 1:] /= np.sqrt(weight / (2 - weight))
    return _smooth(noise, half_life_hours)


def _shared(shares: tuple[float, ...], noise: np.ndarray) -> np.ndarray:
    """Shares of the exchanges (first axis), disturbed and made to add up to 1 again."""
    parts = np.reshape(shares, (-1, *[1] * (noise.ndim - 1))) * np.exp(noise)
    return parts / parts.sum(axis=0)


def _corridor() -> np.ndarray:
    """Lowest and highest price of BTC at each stamp."""
    limits = pd.DataFrame(CORRIDORS, columns=["hour", "lowest", "highest"]).set_index("hour").rename(_hour)
    return limits.reindex(range(HOURS + 1), method="ffill").to_numpy(dtype=float).T


def _prices(rng: np.random.Generator, knots: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Prices (assets x stamps) and the volatility of each hour."""
    levels = np.log(knots[list(ASSETS)])
    pace = np.abs(np.diff(_bridge(np.zeros((len(ASSETS), HOURS + 1)), levels)))[0]
    volatility = VOLATILITY * np.exp(0.4 * _wander(rng, 36, HOURS)) + 1.8 * _smooth(pace, 16)
    common, *own = rng.standard_t(5, (len(ASSETS), HOURS)) * np.sqrt(3 / 5)
    moves = np.outer(BETAS, common) + np.vstack((np.zeros(HOURS), own)) * np.reshape(OWN_RISKS, (-1, 1))
    path = _bridge(np.cumsum(np.insert(moves * volatility, 0, 0, axis=1), axis=1), levels)
    low, high = np.log(_corridor())
    path[0] = np.clip(high - np.abs(high - low - np.abs(path[0] - low)), low, high)
    return np.exp(path), volatility


def _ranges(rng: np.random.Generator, price: np.ndarray, volatility: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The highest and the lowest price of each hour; BTC's stay in its corridor too."""
    upper, lower = np.maximum(price[:, :-1], price[:, 1:]), np.minimum(price[:, :-1], price[:, 1:])
    up, down = np.exp(0.5 * volatility * np.abs(rng.standard_normal((2, *upper.shape))))
    high, low = upper * up, lower / down
    lowest, highest = _corridor()[:, 1:]
    high[0] = np.maximum(np.minimum(high[0], highest), upper[0])
    low[0] = np.minimum(np.maximum(low[0], lowest), lower[0])
    return high, low


def _positions(rng: np.random.Generator, price: np.ndarray, knots: pd.DataFrame) -> np.ndarray:
    """Open interest in coins (assets x stamps)."""
    moves = np.diff(np.log(price))
    growth = 0.02 * _smooth(moves, 24) - 0.4 * np.maximum(np.abs(moves) - 0.015, 0)
    growth += 0.002 * rng.standard_normal(moves.shape)
    path = np.cumsum(np.insert(growth, 0, 0, axis=1), axis=1)
    coins = knots[SYMBOLS].to_numpy() / knots[list(ASSETS)].to_numpy()
    return np.exp(_bridge(path, pd.DataFrame(np.log(coins), index=knots.index)))


def _liquidations(
    rng: np.random.Generator, price: np.ndarray, high: np.ndarray, low: np.ndarray, exposed: np.ndarray
) -> np.ndarray:
    """USD that exchanges would report (assets x sides x hours), before calibration; `exposed` in coins."""
    open_ = price[:, :-1]
    against = np.stack((np.log(open_ / low), np.log(high / open_)), axis=1)
    share = np.reshape(LIQUIDATED_SHARES, (-1, 1, 1)) * against**LIQUIDATION_POWER
    return share * (exposed[:, :-1] * open_)[:, None] * rng.lognormal(0, 0.35, against.shape)


def _calibrated(flows: np.ndarray) -> np.ndarray:
    """Scales what a window adds to the next shorter one, so that the trailing sums of both articles are the claimed."""
    is_free = np.ones(flows.shape, dtype=bool)
    for assets, sides, hours, total in (
        (BTC, slice(LONG, SHORT), 24, BTC_LONG_24H_USD),
        (BTC, slice(None), 168, BTC_7D_USD),
        (BTC, slice(None), 720, BTC_30D_USD),
        (ALTCOINS, slice(None), 168, ALL_7D_USD - BTC_7D_USD),
        (ALTCOINS, slice(None), 720, ALL_30D_USD - BTC_30D_USD),
    ):
        window, free = flows[assets, sides, -hours:], is_free[assets, sides, -hours:]
        window[free] *= (total - window[~free].sum()) / window[free].sum()
        free[:] = False
        flows[assets, :, -1 - hours] = flows[assets, :, -1]  # what leaves at the second article is what enters
        is_free[assets, :, -1] = is_free[assets, :, -1 - hours] = False
    return flows


def _to_tick(prices: np.ndarray) -> np.ndarray:
    """Prices (exchanges x assets x hours) as exchanges quote them."""
    return np.stack([np.round(prices[:, n], digits) for n, digits in enumerate(PRICE_DECIMALS)], axis=1)


def _table(exchanges: tuple[str, ...], time: str, stamps: pd.DatetimeIndex, **columns: np.ndarray) -> pd.DataFrame:
    """One row per exchange, asset and stamp from arrays of that shape."""
    keys = pd.MultiIndex.from_product((exchanges, SYMBOLS, stamps), names=("exchange", "symbol", time))
    return keys.to_frame(index=False).assign(**{name: np.ravel(column) for name, column in columns.items()})


def _stamps(periods: int, hours: int = 1) -> pd.DatetimeIndex:
    return pd.date_range(START, periods=periods, freq=f"{hours}h", unit="us")


def _whole(coins: np.ndarray, exchange: np.ndarray | int, asset: np.ndarray, least: int = 0) -> np.ndarray:
    """Coins as whole orders: number x contract size, exactly as whoever fetches a number of contracts computes it."""
    unit = ORDER_SIZES[exchange, asset]
    exact = np.maximum(np.rint(coins / unit), least) * unit
    return np.where(exchange < 2, np.round(exact, 3), exact)  # Binance and Bybit state coins


def _instruments() -> pd.DataFrame:
    keys = pd.MultiIndex.from_product((EXCHANGES, ASSETS), names=("exchange", "asset")).to_frame(index=False)
    names = {"symbol": keys["asset"] + "/USDT:USDT", "quote": "USDT", "settle": "USDT", "contract_kind": "linear"}
    table = keys.assign(**names, contract_size=np.ravel(list(CONTRACT_SIZES.values())).astype(float))
    return table[["exchange", "symbol", "asset", "quote", "settle", "contract_kind", "contract_size"]]


def _candles(rng: np.random.Generator, bars: tuple[np.ndarray, ...], positions: np.ndarray) -> pd.DataFrame:
    """A calm day turns open interest over about once, a wild one several times."""
    open_, high, low, close = bars
    turnover = 0.03 * (high / low - 1) / 0.006 * np.exp(0.25 * rng.standard_normal(close.shape))
    volume = _whole(positions[..., :-1] * turnover, *EACH)
    figures = {"open": open_, "high": high, "low": low, "close": close, "volume_base": volume}
    return _table(EXCHANGES, "opened_at", _stamps(HOURS), **figures)


def _open_interest(positions: np.ndarray, price: np.ndarray) -> pd.DataFrame:
    """USD is coins x the close of the bar that ends at the stamp (at the first stamp: the first open)."""
    base = _whole(positions, *EACH)
    count = np.rint(base / ORDER_SIZES[..., None])
    count[:2] = np.nan  # Binance and Bybit state coins,
    usd = np.round(base * price, 2)
    usd[1] = np.nan  # and Bybit nothing else
    figures = {"open_interest_contracts": count, "open_interest_base": base, "open_interest_usd": usd}
    return _table(EXCHANGES, "observed_at", _stamps(HOURS + 1), **figures)


def _funding_rates(rng: np.random.Generator, price: np.ndarray, leverage: np.ndarray) -> pd.DataFrame:
    """Every 8 hours, per 8 hours; Binance stamps a few milliseconds late."""
    week = _smooth(np.diff(np.log(price), prepend=np.log(price[:, :1])), 72) * 168
    rate = (8e-5 + 1e-3 * week + 2e-4 * np.log(leverage))[:, :-1:8]
    rate = np.clip(rate + 2e-5 * rng.standard_normal((4, *rate.shape)), -3e-3, 3e-3)
    table = _table(EXCHANGES, "funded_at", _stamps(HOURS // 8, hours=8), rate=np.round(rate, 8))
    late = np.where(table["exchange"] == "binance", rng.integers(0, 12, len(table)), 0)
    return table.assign(funded_at=table["funded_at"] + pd.to_timedelta(late, unit="ms"), interval_hours=8.0)


def _liquidation_totals(usd: np.ndarray, close: np.ndarray) -> pd.DataFrame:
    """Gate's own sums of each hour."""
    usd, close = usd.transpose(1, 0, 2), close[None]
    base = _whole(usd / close, EXCHANGES.index("gate"), np.arange(len(ASSETS))[:, None])
    long_usd, short_usd = np.round(base * close, 2)
    figures = {"long_usd": long_usd, "short_usd": short_usd, "long_base": base[LONG], "short_base": base[SHORT]}
    return _table(("gate",), "period_start_at", _stamps(HOURS), **figures)


def _events(rng: np.random.Generator, cells: np.ndarray, low: np.ndarray, high: np.ndarray) -> pd.DataFrame:
    """Single liquidations that add up to `cells` (exchanges x assets x sides x hours), none in the smallest of them."""
    cells = cells.transpose(0, 1, 3, 2)
    count = np.where(cells < SMALLEST_CELL_USD, 0, 1 + rng.poisson((cells / TYPICAL_EVENT_USD[:, None, None]) ** 0.75))
    cell = np.repeat(np.arange(cells.size), count.ravel())
    weight = rng.lognormal(0, 1.2, len(cell))
    usd = cells.ravel()[cell] * weight / np.bincount(cell, weight, cells.size)[cell]

    bar = cell // 2  # an hour of an instrument
    order = np.lexsort((rng.random(len(cell)), bar))
    cell, usd = cell[order], usd[order]
    exchange, asset, hour, side = np.unravel_index(cell, cells.shape)
    second = hour * 3600 + _seconds(rng, bar)
    milliseconds = START.value // 10**6 + second * 1000 + rng.integers(0, 1000, len(bar))

    traded = rng.uniform(low[exchange, asset, hour], high[exchange, asset, hour])
    margin = np.where(exchange == 0, 0, np.where(side == LONG, -0.004, 0.004))  # bankruptcy lies beyond the market
    decimals = 10.0 ** np.array(PRICE_DECIMALS)[asset]
    price = np.rint(traded * (1 + margin) * decimals) / decimals
    quantity = _whole(usd / price, exchange, asset, least=1)
    table = pd.DataFrame(
        {
            "exchange": np.array(EXCHANGES)[exchange],
            "symbol": np.array(SYMBOLS)[asset],
            "occurred_at": pd.to_datetime(milliseconds, unit="ms", utc=True).as_unit("us"),
            "position_side": np.array(("long", "short"))[side],
            "price": price,
            "price_kind": np.array(PRICE_KINDS)[exchange],
            "quantity_base": quantity,
            "notional_usd": quantity * price,
        }
    )
    numbers = table.groupby(["exchange", "symbol"]).cumcount()
    sizes = np.rint(quantity / ORDER_SIZES[exchange, asset])
    rows = zip(exchange, asset, milliseconds, numbers, table["position_side"], price, sizes, strict=True)
    table.insert(2, "event_id", [_event_id(*row) for row in rows])
    return table


def _seconds(rng: np.random.Generator, bar: np.ndarray) -> np.ndarray:
    """The second of its hour in which each event happens; `bar` numbers the hours of instruments, in order.

    An hour is cut into as many slots of whole seconds as it has events, one event in each: no two happen in one second,
    as the throttled feeds would have it.
    """
    events = np.bincount(bar)[bar]
    rank = np.arange(len(bar)) - np.searchsorted(bar, bar)
    first, last = rank * 3600 // events, (rank + 1) * 3600 // events
    return first + (rng.random(len(bar)) * (last - first)).astype(int)


def _event_id(exchange: int, asset: int, milliseconds: int, number: int, side: str, price: float, size: float) -> str:
    """OKX gives no id, so what the event says of itself identifies it, as whoever fetches it again will find."""
    if EXCHANGES[exchange] != "okx":
        return f"{ASSETS[asset]}USDT:{milliseconds}:{number}"
    return f"{ASSETS[asset]}-USDT-SWAP:{milliseconds}:{side}:{_wire(price)}:{_wire(size)}"


def _wire(figure: float) -> str:
    """The shortest decimal text, as the wire carries it."""
    return format(Decimal(repr(float(figure))).normalize(), "f")


def _coverage() -> pd.DataFrame:
    """Receipts of a recorder that missed nothing, for what REST can't reach."""
    recorded = [(exchange, "liquidations") for exchange in EXCHANGES[:3]]
    recorded += [(exchange, "open_interest") for exchange in ("binance", "okx")]
    rows = [(*record, symbol) for record in recorded for symbol in SYMBOLS]
    table = pd.DataFrame(rows, columns=["exchange", "dataset", "symbol"])
    table = table.assign(start_at=START.as_unit("us"), end_at=END.as_unit("us"), feed="import", state="complete")
    return table.assign(reason=pd.Series(pd.NA, index=table.index, dtype="string"))


def write_archive(tape: Path) -> dict[str, Path]:
    """What a recorder beside the simulated exchanges would have kept, by dataset: for the demo to import.

    That is what REST can't reach: single liquidations, and the open interest of the exchanges whose API forgets it.
    """
    recorded = pd.read_parquet(tape / "coverage.parquet", filters=[("dataset", "==", "open_interest")])
    kept = tape / "archive" / "open_interest.parquet"
    kept.parent.mkdir(exist_ok=True)
    forgotten = [("exchange", "in", list(recorded["exchange"].unique()))]
    pd.read_parquet(tape / "open_interest.parquet", filters=forgotten).to_parquet(kept, index=False)
    return {
        "liquidations": tape / "liquidations.parquet",
        "open_interest": kept,
        "coverage": tape / "coverage.parquet",
    }
