"""The page: offline, well formed, escaped, and honest about gaps and simulations."""

import re
from html.parser import HTMLParser


def test_page_opens_offline_and_runs_nothing(page):
    fetching = re.findall(r"""(?:src|href|url|@import)\s*[=(]\s*["']?(?!#|data:)[^"')\s>]+""", page)
    assert fetching == ['href="method.html']  # which lies beside it
    assert "<script" not in page
    assert len(page) < 800_000


def test_page_is_well_formed(page):
    class Tags(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.open: list[str] = []

        def handle_starttag(self, tag, attrs):
            if tag not in {"meta", "link", "br"}:
                self.open.append(tag)

        def handle_startendtag(self, tag, attrs):
            pass

        def handle_endtag(self, tag):
            assert self.open.pop() == tag

    tags = Tags()
    tags.feed(page)
    assert tags.open == []


def test_every_chart_is_laid_out_wide_and_narrow(page):
    assert page.count('<div class="wide"><svg ') == page.count('<div class="narrow"><svg ') == 3


def test_page_without_figures_says_no_data_and_nothing_else(unknown):
    page = (unknown[0].parent / "latest" / "brief.html").read_text()
    assert "no data" in page
    words = re.sub(r"<style>.*?</style>|<[^>]+>", " ", page, flags=re.S)
    assert not re.search(r"\b(nan|nat|none)\b", words, re.I)


def test_data_is_escaped_and_simulated_is_said_everywhere(hostile):
    warehouse, brief = hostile
    page = (warehouse.parent / "latest" / "brief.html").read_text()
    assert "<script" not in page
    assert "<img" not in page
    assert "&lt;script&gt;" in page
    assert brief["mark"] == "SIMULATED"
    assert "&lt;b&gt;tape" in page
    assert page.count("SIMULATED \u00b7") == 6  # in the drawings themselves
    assert 'class="banner"' in page
    assert "<title>SIMULATED" in page
