"""The charts, one module each: `draw(connection, canvas)` gives a stack of plots over the last days."""

from orchestration.brief.charts import liquidations, open_interest, score

CHARTS = {"liquidations": liquidations.draw, "open_interest": open_interest.draw, "score": score.draw}
