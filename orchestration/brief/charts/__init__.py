"""The charts, one module each: `draw(connection, canvas)` gives a stack of plots over the last days.

In a chart's module belong its query, its plots and what its tool tips say. What charts share is the matter of `days`
and `drawing`, the page around them of `page`.
"""

from orchestration.brief.charts import liquidations, open_interest, score

CHARTS = {"liquidations": liquidations.draw, "open_interest": open_interest.draw, "score": score.draw}
