"""The measures that are taken from a panel of instruments: what each needs of a member, and what a panel's value is.

Liquidations are the only one whose holes are filled: at most 3 of its 24 hours, by what the panel's other members saw
in that hour. Open interest is a stock whose last observation counts for two hours, and funding holds until the next
settlement.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from orchestration.score.panels import Asked, Members, PanelRanks, Series, panel_ranks
from orchestration.score.parts import LONG_WINDOW_DAYS

HOUR = pd.Timedelta(hours=1)
WINDOW_HOURS, MOST_FILLED_HOURS, WIDEST_FILL = 24, 3, 4
LONG_WINDOW_HOURS = LONG_WINDOW_DAYS * 24
FEWEST_HOURS_OF_A_RATIO = 24
FULL_REPORTING = ("complete", "totals")


@dataclass(frozen=True)
class Instruments:
    """`int_stress_instruments_hourly` by hour of the grid and instrument, and liquidations by instrument and epoch.

    `columns` (instrument and asset) belong to the columns of `figures`, `epochs` (instrument, asset and nature) to
    those of `long_usd` and `weight_usd`, its open interest 24 h ago.
    """

    columns: pd.DataFrame
    figures: dict[str, np.ndarray]
    epochs: pd.DataFrame
    long_usd: np.ndarray
    weight_usd: np.ndarray

    @property
    def assets(self) -> np.ndarray:
        return self.columns["asset"].to_numpy()

    @property
    def exchanges(self) -> np.ndarray:
        return self.columns["instrument"].str.split(":").str[0].to_numpy()

    def without(self, left_out: str) -> "Instruments":
        """Less the instruments of this exchange, or of this asset."""
        kept, of_epochs = (
            (its["asset"] != left_out) & (its["instrument"].str.split(":").str[0] != left_out)
            for its in (self.columns, self.epochs)
        )
        return Instruments(
            self.columns[kept].reset_index(drop=True),
            {name: its[:, kept] for name, its in self.figures.items()},
            self.epochs[of_epochs].reset_index(drop=True),
            self.long_usd[:, of_epochs],
            self.weight_usd[:, of_epochs],
        )


FIGURES = (
    *("open_interest_usd", "open_interest_24h_ago_usd", "closed_24h_usd", "closed_28d_usd", "start_28d_usd"),
    *("funding_rate_annualised", "close"),
)


def on_grid(instruments: pd.DataFrame, hours: pd.DatetimeIndex) -> Instruments:
    """The frame as arrays over `hours`, which are unbroken and hold all of its stamps."""
    rows = (
        np.asarray((instruments["as_of"] - hours[0]) // HOUR, dtype="int64") if len(instruments) else np.array([], int)
    )
    keys = instruments[["instrument", "asset"]].drop_duplicates().sort_values("instrument", ignore_index=True)
    columns = pd.Index(keys["instrument"]).get_indexer(instruments["instrument"])

    def grid(values: pd.Series, rows: np.ndarray, columns: np.ndarray, width: int) -> np.ndarray:
        made = np.full((len(hours), width), np.nan)
        made[rows, columns] = values.to_numpy(dtype="float64", na_value=np.nan)
        return made

    figures = {name: grid(instruments[name], rows, columns, len(keys)) for name in FIGURES}
    is_observed = instruments["long_usd"].notna().to_numpy()
    observed = instruments[is_observed]
    by = ["instrument", "epoch_at", "completeness"]
    epochs = observed[["asset", *by]].drop_duplicates().sort_values(by, ignore_index=True)
    of_epoch = pd.MultiIndex.from_frame(epochs[by]).get_indexer(pd.MultiIndex.from_frame(observed[by]))
    long_usd = grid(observed["long_usd"], rows[is_observed], of_epoch, len(epochs))
    at = pd.Index(keys["instrument"]).get_indexer(epochs["instrument"])
    weight_usd = np.take(figures["open_interest_24h_ago_usd"], at, axis=1)
    return Instruments(keys, figures, epochs, long_usd, weight_usd)


def liquidations(instruments: Instruments, assets: list[str], asked: Asked) -> dict[str, PanelRanks]:
    """Long liquidations of 24 h over open interest 24 h ago, by asset; members are epochs of instruments.

    The panel is of feeds that report everything (complete, totals). Sampled ones stand in only where no such panel was
    ranked within 28 days: an outage must not swap one nature for the other.
    """
    long_usd, weight_usd = instruments.long_usd, instruments.weight_usd
    observed_hours = _sum_of_24h((~np.isnan(long_usd)).astype("float64"))
    has_weight = ~np.isnan(weight_usd)
    is_present = (observed_hours >= WINDOW_HOURS - MOST_FILLED_HOURS) & has_weight
    members = Members(
        is_present,
        observed_hours < WINDOW_HOURS,
        lambda columns: _liquidations_of(long_usd, weight_usd, is_present, columns),
    )
    reports_all = instruments.epochs["completeness"].isin(FULL_REPORTING).to_numpy()
    found = {}
    for asset in assets:
        in_scope = _is_in(asset, instruments.epochs["asset"].to_numpy())
        full = panel_ranks(members, np.flatnonzero(in_scope & reports_all), asked)
        is_free = _hours_within(~np.isnan(full.rank), LONG_WINDOW_HOURS + 1) == 0
        free = replace(asked, is_asked=asked.is_asked & is_free)
        sampled = panel_ranks(members, np.flatnonzero(in_scope & ~reports_all), free)
        is_sampled_there = is_present[:, in_scope & ~reports_all].any(axis=1)
        found[asset] = full.or_else(sampled, is_free & is_sampled_there)
    return found


def _liquidations_of(
    long_usd: np.ndarray, weight_usd: np.ndarray, is_present: np.ndarray, columns: np.ndarray
) -> Series:
    """A missing hour of members is what the others saw in it times the members' ratio to them over the 28 days before.

    Of these days count the hours in which all were observed, of which a day is needed. The bounds take nothing, and
    four times that or four times the members' mean hour, whichever is more: where the others saw nothing, four times
    nothing would be no bound. An hour that nobody saw can't be filled.
    """
    figures = np.take(long_usd, columns, axis=1)
    is_seen = ~np.isnan(figures)
    seen, seen_usd = is_seen.sum(axis=1), np.where(is_seen, figures, 0).sum(axis=1)
    is_whole = seen == len(columns)
    usd_before = _before(np.where(is_whole[:, np.newaxis], figures, 0))
    hours_before = _before(is_whole[:, np.newaxis].astype("float64")).ravel()

    partly = np.flatnonzero((seen > 0) & ~is_whole)
    earliest = np.maximum(partly - LONG_WINDOW_HOURS, 0)
    usd_28d = usd_before[partly] - usd_before[earliest]
    ratio = divided((usd_28d * ~is_seen[partly]).sum(axis=1), (usd_28d * is_seen[partly]).sum(axis=1))
    whole_hours = hours_before[partly] - hours_before[earliest]
    has_history = whole_hours >= FEWEST_HOURS_OF_A_RATIO
    fill_usd = np.where(seen == 0, np.nan, 0)
    fill_usd[partly] = np.where(has_history, seen_usd[partly] * ratio, np.nan)
    mean_usd = divided((usd_28d * ~is_seen[partly]).sum(axis=1), whole_hours)
    most_usd = WIDEST_FILL * fill_usd
    most_usd[partly] = WIDEST_FILL * np.maximum(fill_usd[partly], mean_usd)

    is_panel = np.take(is_present, columns, axis=1).all(axis=1)
    weight = np.where(is_panel, np.take(weight_usd, columns, axis=1).sum(axis=1), np.nan)
    value, low, high = (divided(_sum_of_24h(seen_usd + usd), weight) for usd in (fill_usd, 0 * fill_usd, most_usd))
    return Series(value, low, high, np.nan_to_num(_sum_of_24h((~is_whole).astype("float64"))).astype("int64"))


def open_interest_24h(instruments: Instruments, assets: list[str], asked: Asked) -> dict[str, PanelRanks]:
    """Less the position effect of 24 h over open interest 24 h ago, on the instruments observed at both ends."""
    closed, start = instruments.figures["closed_24h_usd"], instruments.figures["open_interest_24h_ago_usd"]
    return _by_asset(instruments, assets, closed, start, divided, asked)


def open_interest_28d(instruments: Instruments, assets: list[str], asked: Asked) -> dict[str, PanelRanks]:
    """Positions closed within 28 d over the positions of then, both at the price now, observed at both ends."""
    closed, start = instruments.figures["closed_28d_usd"], instruments.figures["start_28d_usd"]
    return _by_asset(instruments, assets, closed, start, divided, asked)


def funding_dislocation(instruments: Instruments, assets: list[str], asked: Asked) -> dict[str, PanelRanks]:
    """Distance of the panel's annualised funding rate, weighted by open interest, from its own median of 28 d."""
    weight = instruments.figures["open_interest_usd"]
    weighted = instruments.figures["funding_rate_annualised"] * weight
    return _by_asset(instruments, assets, weighted, weight, _dislocation, asked)


def _dislocation(weighted: np.ndarray, weight: np.ndarray) -> np.ndarray:
    rate = pd.Series(divided(weighted, weight))
    median = rate.rolling(LONG_WINDOW_HOURS, min_periods=int(np.ceil(0.9 * LONG_WINDOW_HOURS))).median()
    return (rate - median).abs().to_numpy()


def _by_asset(
    instruments: Instruments,
    assets: list[str],
    over: np.ndarray,
    under: np.ndarray,
    measure: Callable[[np.ndarray, np.ndarray], np.ndarray],
    asked: Asked,
) -> dict[str, PanelRanks]:
    """Ranks of a measure of two sums over the members for which both are known."""
    is_present = ~np.isnan(over + under)

    def series(columns: np.ndarray) -> Series:
        sums = (np.take(figures, columns, axis=1).sum(axis=1) for figures in (over, under))
        value = measure(*(np.where(is_present[:, columns].all(axis=1), of_panel, np.nan) for of_panel in sums))
        return Series(value, value, value, np.zeros(len(value), dtype="int64"))

    members = Members(is_present, np.zeros_like(is_present), series)
    found = {}
    for asset in assets:
        found[asset] = panel_ranks(members, np.flatnonzero(_is_in(asset, instruments.assets)), asked)
    return found


def ever_observed(instruments: Instruments, assets: list[str]) -> dict[str, np.ndarray]:
    """By dataset, for every hour and asset: whether one of the asset's instruments was observed until then."""
    figures, of_epochs = instruments.figures, instruments.epochs["asset"].to_numpy()
    seen = {
        "liquidations": (~np.isnan(instruments.long_usd), of_epochs),
        "open_interest": (~np.isnan(figures["open_interest_usd"]), instruments.assets),
        "funding_rates": (~np.isnan(figures["funding_rate_annualised"]), instruments.assets),
        "candles": (~np.isnan(figures["close"]), instruments.assets),
    }
    return {
        dataset: np.maximum.accumulate(
            np.column_stack([is_seen[:, _is_in(asset, of)].any(axis=1) for asset in assets]), axis=0
        )
        for dataset, (is_seen, of) in seen.items()
    }


def _is_in(asset: str, assets: np.ndarray) -> np.ndarray:
    """Which columns belong to this asset; ALL has every one."""
    return np.full(len(assets), True) if asset == "ALL" else assets == asset


def divided(over: np.ndarray, under: np.ndarray) -> np.ndarray:
    """NaN instead of a division by nothing."""
    return np.divide(over, under, out=np.full(len(over), np.nan), where=under > 0)


def _sum_of_24h(figures: np.ndarray) -> np.ndarray:
    """Of each hour and the 23 before it, added up afresh, so that equal windows have equal sums; NaN where one is."""
    sums = np.full(figures.shape, np.nan)
    if len(figures) >= WINDOW_HOURS:
        whole = len(figures) - WINDOW_HOURS + 1
        sums[WINDOW_HOURS - 1 :] = 0
        for back in range(WINDOW_HOURS):
            sums[WINDOW_HOURS - 1 :] += figures[back : back + whole]
    return sums


def _before(figures: np.ndarray) -> np.ndarray:
    """Sums over all hours before each, along the first axis; one row more than there are hours."""
    return np.concatenate([np.zeros((1, figures.shape[1])), np.cumsum(figures, axis=0)])


def _hours_within(is_true: np.ndarray, window_hours: int) -> np.ndarray:
    """In how many of the last hours, each hour's own among them, it is true."""
    counts = np.concatenate([[0], np.cumsum(is_true)])
    at = np.arange(1, len(counts))
    return counts[at] - counts[np.maximum(at - window_hours, 0)]
