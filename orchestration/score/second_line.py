"""The second line: the score weighed by how its parts move together, as the CISS does.

Stress in all parts at once is worth more than the same in one, so each pair of parts counts by its correlation (Hollo,
Kremer, Lo Duca: CISS, a composite indicator of systemic stress in the financial system, ECB working paper 1426, 2012).
It never exceeds the first line, and the distance says whether stress is broad (small) or local (large).
"""

import numpy as np
import pandas as pd

from orchestration.score.parts import PARTS, WEIGHTS, hundredths
from orchestration.score.ranks import history, mid_ranks

DECAY = 0.93 ** (1 / 24)  # an hour: CISS's 0.93 is of a day here
UPDATES_UNTIL_PUBLISHED = 30 * 24
HOURS_UNTIL_BREADTH_IS_RANKED = 14 * 24
BREADTH = list(PARTS).index("breadth")
COLUMNS = ["second_line", *(f"second_line_{part}_contribution" for part in PARTS), "second_line_days"]


def second_line(ranks: np.ndarray) -> pd.DataFrame:
    """COLUMNS in points (days of updates behind the correlations last), for every hour of one asset.

    `ranks` has a row for every hour of an unbroken grid and a column for every part, NaN where a part is missing or
    lies between bounds.

    With v = weight x rank, the line is 100 sqrt(v' C v). C is the exponentially weighted correlation of ranks less one
    half, this hour included; breadth, a share that is 0 in most hours, enters it as its own mid-rank, which it has from
    14 days on. Their covariance begins at nothing, a part without variance correlates with none, so C begins as the
    identity. An hour that lacks a part changes nothing and has no line; nor has one before 30 days of updates.
    Contributions are Euler's, v (C v) / sqrt(v' C v), and may be negative; they add up to the line exactly as shown.
    """
    breadth = ranks[:, BREADTH]
    centred = ranks - 0.5
    is_ranked = history(~np.isnan(breadth)).hours >= HOURS_UNTIL_BREADTH_IS_RANKED
    centred[:, BREADTH] = np.where(is_ranked, mid_ranks(breadth), np.nan) - 0.5
    is_known = ~np.isnan(centred).any(axis=1)
    updates = np.cumsum(is_known)

    correlation = _correlations(centred[is_known])
    shares = ranks[is_known] * WEIGHTS / 100
    of_parts = np.einsum("hij,hj->hi", correlation, shares) * shares
    total = np.sqrt(np.maximum(of_parts.sum(axis=1, keepdims=True), 0))
    points = hundredths(100 * np.divide(of_parts, total, out=np.zeros_like(of_parts), where=total > 0))
    points = np.column_stack([points.sum(axis=1), points]) / 100

    table = np.full((len(ranks), 1 + len(PARTS)), np.nan)
    table[is_known] = np.where(updates[is_known, np.newaxis] >= UPDATES_UNTIL_PUBLISHED, points, np.nan)
    return pd.DataFrame(np.column_stack([table, updates / 24]), columns=COLUMNS)


def _correlations(centred: np.ndarray) -> np.ndarray:
    """The correlation matrix after each update: 1 on the diagonal, 0 beside a part without variance."""
    parts = centred.shape[1]
    products = (centred[:, :, np.newaxis] * centred[:, np.newaxis, :]).reshape(-1, parts * parts)
    begun = pd.DataFrame(np.vstack([np.zeros(parts * parts), products]))
    covariance = begun.ewm(alpha=1 - DECAY, adjust=False).mean().to_numpy()[1:].reshape(-1, parts, parts)
    deviation = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    scale = deviation[:, :, np.newaxis] * deviation[:, np.newaxis, :]
    correlation = np.divide(covariance, scale, out=np.zeros_like(covariance), where=scale > 0)
    correlation[:, range(parts), range(parts)] = 1
    return np.clip(correlation, -1, 1)
