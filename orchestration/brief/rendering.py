"""From a chart to what is shown: an SVG element of the page, or an image.

Vega draws both. The page's drawings take their colours as CSS variables and lose what a page doesn't need.
"""

from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from orchestration.brief.words import NO_DATA

if TYPE_CHECKING:
    import altair

SVG_NAMESPACE = "{http://www.w3.org/2000/svg}"


@dataclass(frozen=True)
class Layout:
    """How wide the plots of a chart are, in pixels, and how many entries of its legend stand side by side."""

    width: int
    legend_columns: int


WIDE, NARROW, IMAGE = Layout(880, 6), Layout(300, 3), Layout(640, 6)


def svgs(chart: "altair.VConcatChart", name: str, colours: dict[str, str]) -> dict[str, str]:
    """The chart as SVG elements that the caption `about-<name>` describes: `wide` and `narrow`.

    A chart is drawn once and only laid out twice: scaled to a telephone's width its words could not be read.
    """
    spec = chart.to_dict(validate=False)
    return {
        "wide": _svg(spec | {"config": _style(colours, WIDE, "transparent")}, name),
        "narrow": _svg(spec | {"config": _style(colours, NARROW, "transparent")}, name),
    }


def png(chart: "altair.VConcatChart", colours: dict[str, str]) -> bytes:
    """The chart as a PNG on white; Vega packs for speed, three times larger."""
    import vl_convert
    from PIL import Image

    spec = chart.to_dict(validate=False) | {"config": _style(colours, IMAGE, "white")}
    drawn = Image.open(BytesIO(vl_convert.vegalite_to_png(spec)))
    packed = BytesIO()
    drawn.convert("RGB").save(packed, "PNG", optimize=True)
    return packed.getvalue()


def blank() -> "altair.VConcatChart":
    """What is shown where there is nothing to draw."""
    import altair as alt

    return alt.vconcat(alt.Chart(alt.Data(values=[{}]), height=60).mark_text(text=NO_DATA, fontSize=14))


def _svg(spec: dict, name: str) -> str:
    """Vega's SVG as HTML holds it: no namespace, no roles of single marks, and their descriptions as tool tips."""
    import vl_convert

    drawing = ElementTree.fromstring(vl_convert.vegalite_to_svg(spec))
    for parent in list(drawing.iter()):
        for mark in list(parent):
            if mark.get("class") in ("background", "foreground"):  # frames of groups, which have neither fill nor line
                parent.remove(mark)
    for mark in drawing.iter():
        mark.tag = mark.tag.removeprefix(SVG_NAMESPACE)
        if mark.tag == "path" and "aria-label" in mark.attrib:
            ElementTree.SubElement(mark, "title").text = mark.attrib["aria-label"]
            mark.attrib = {"d": mark.attrib["d"], "fill": "transparent"}
        for attribute in [key for key in mark.attrib if key.startswith("aria-") or key in ("role", "pointer-events")]:
            del mark.attrib[attribute]
    drawing.attrib |= {"role": "img", "aria-labelledby": f"about-{name}"}
    return ElementTree.tostring(drawing, encoding="unicode")


def _style(colours: dict[str, str], layout: Layout, background: str) -> dict:
    ink, muted, line = (colours[name] for name in ("ink", "muted", "line"))
    return {
        "background": background,
        "font": "sans-serif",
        "padding": {"left": 4, "right": 8, "top": 4, "bottom": 4},
        "view": {"stroke": None, "continuousWidth": layout.width},
        "mark": {"aria": False},
        "axis": {
            "aria": False, "domainColor": line, "gridColor": line, "tickColor": line, "labelColor": muted,
            "titleColor": muted, "titleFontWeight": "normal", "labelFontSize": 11, "titleFontSize": 11,
        },
        "axisY": {"domain": False, "ticks": False, "minExtent": 34, "maxExtent": 34, "tickCount": 5},
        "legend": {
            "aria": False, "orient": "top", "direction": "horizontal", "labelColor": ink, "labelFontSize": 11,
            "symbolType": "square", "symbolStrokeWidth": 0, "columns": layout.legend_columns,
            "columnPadding": 16, "offset": 4, "title": None,
        },
        "title": {
            "color": ink, "fontSize": 13, "fontWeight": 600, "offset": 8,
            "subtitleColor": muted, "subtitleFontSize": 11,
        },
    }  # fmt: skip
