"""From cells to values: what a stamp and a figure can be, and what is none."""

import math
from datetime import UTC, datetime

import pytest

from orchestration.exchanges import wire

NOON_MS = 1770811200000


@pytest.mark.parametrize("bad", ["", None, "abc", "NaN", "Infinity", [], {}])
def test_a_cell_that_cannot_be_read_is_null(bad):
    assert math.isnan(wire.numbers([bad])[0])
    assert wire.milliseconds(bad) is None
    assert wire.moments([bad]).isna().all()


@pytest.mark.parametrize("stamp", ["1770811200000", 1770811200000, "1770811200000.0", 1.7708112e12])
def test_a_stamp_is_read_from_text_and_number(stamp):
    assert wire.milliseconds(stamp) == NOON_MS


@pytest.mark.parametrize("stamp", [0, -5, 10**18, "0"])
def test_a_stamp_out_of_this_world_is_none(stamp):
    assert wire.milliseconds(stamp) is None


def test_moments_are_utc_in_the_unit_that_is_told():
    noon = datetime(2026, 2, 11, 12, tzinfo=UTC)
    assert wire.moments([NOON_MS // 1000, str(NOON_MS // 1000)], 1000).tolist() == [noon, noon]
