"""Tables, curves and statistics of what was run: `python -m tfal.report results/mnist_SCNN`."""

from tfal.report.learning_curves import report, table

__all__ = ["report", "table"]
