"""Figures and shares as people write them."""

import pytest

from orchestration.brief.words import figure_text, share_text


@pytest.mark.parametrize(
    ("value", "unit", "name", "text"),
    [
        (237_000_000, "USD", "long_usd_24h", "237.0 M USD"),
        (2_161_000_000, "USD", "total_usd_7d", "2.16 B USD"),
        (0, "USD", "long_usd_24h", "0 USD"),
        (-0.0441, "ratio", "open_interest_change_24h_ratio", "\u22124.4 %"),
        (-0.00001, "ratio", "open_interest_change_24h_ratio", "0.0 %"),
        (0.011, "ratio", "return_24h_ratio", "+1.10 %"),
        (0.34, "ratio", "fall_from_peak_28d_ratio", "34.0 %"),
        (67_450.4, "USD per coin", "price", "67,450 USD"),
        (0.61234567, "USD per coin", "price", "0.61235 USD"),
        (None, "USD", "long_usd_24h", "no data"),
    ],
)
def test_figures_read_as_people_write_them(value, unit, name, text):
    assert figure_text({"value": value, "unit": unit, "name": name}).replace("\u202f", " ") == text


@pytest.mark.parametrize(
    ("ratio", "text"), [(1, "100 %"), (0.9999, "99.9 %"), (0.0001, "0.1 %"), (0, "0 %"), (0.955, "96 %")]
)
def test_a_share_is_100_only_of_all(ratio, text):
    assert share_text(ratio).replace("\u202f", " ") == text
