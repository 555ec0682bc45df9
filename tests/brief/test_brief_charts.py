"""The charts: gaps and tool tips, colours that follow the reader's scheme, small images."""

import re
from io import BytesIO
from xml.etree import ElementTree

import pytest
from PIL import Image

from orchestration.brief import chart_png
from orchestration.brief.charts import CHARTS
from orchestration.brief.drawing import COLOURS


@pytest.fixture(scope="module")
def drawings(page):
    """The page's drawings as XML."""
    return [ElementTree.fromstring(text) for text in re.findall(r"<svg [^>]*role=.*?</svg>", page, re.S)]


def test_a_day_without_observation_is_hatched(page):
    assert 'fill="url(#gap)"' in page
    assert "Mon 2 Feb 2026: not observed" in page


def test_every_colour_of_a_drawing_follows_the_readers_scheme(drawings):
    used = {mark.get(what) for drawing in drawings for mark in drawing.iter() for what in ("fill", "stroke")}
    schemed = {f"var(--{name})" for name in COLOURS}
    assert used - schemed == {None, "none", "transparent", "url(#gap)"}
    assert {"var(--long)", "var(--short)", "var(--ink)", "var(--cascade)"} <= used


def test_every_day_has_a_tool_tip(drawings):
    tips = [title.text for title in drawings[2].iter("title")]  # liquidations, wide
    assert len(tips) == 90
    assert tips[-1].replace("\u202f", " ") == "Wed 11 Feb 2026: longs 120.0 M, shorts 30.0 M USD; observed 48 %"


def test_scores_of_two_panels_are_not_joined(drawings):
    wide = drawings[0]
    lines = [mark for mark in wide.iter() if mark.get("stroke") == "var(--ink)" and mark.get("stroke-width") == "1.2"]
    assert len(lines) == 2  # the panel of liquidations changes once


def test_a_drawing_is_one_image_that_its_caption_describes(drawings):
    assert [drawing.get("aria-labelledby") for drawing in drawings] == [
        f"about-{name}" for name in ("score", "liquidations", "open_interest") for _ in ("wide", "narrow")
    ]
    assert {drawing.get("role") for drawing in drawings} == {"img"}
    inner = {key for drawing in drawings for mark in drawing.iter() if mark is not drawing for key in mark.attrib}
    assert not {key for key in inner if key.startswith("aria") or key == "role"}


@pytest.mark.parametrize("name", CHARTS)
def test_charts_for_dagster_are_small_images(published, name):
    image = chart_png(published, name)
    assert len(image) < 60_000
    assert Image.open(BytesIO(image)).format == "PNG"


@pytest.mark.parametrize("name", CHARTS)
def test_charts_of_nothing_are_images_too(unknown, name):
    assert chart_png(unknown[0], name).startswith(b"\x89PNG")
