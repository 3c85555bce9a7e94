"""Statistics of comparisons: arrays in, numbers out. Sources and guards stand with each.

Repetitions are rows everywhere, in the order of their numbers: row r of two strategies shares split and seed, which is
what makes them pairs. Below `LEAST_PAIRS` of them, and `LEAST_UNITS` data sets for ranks, nothing is tested.
"""

from __future__ import annotations

LEAST_PAIRS = 5  # of which a two-sided t-test at .05 is worth its name
LEAST_UNITS = 6  # with 5, the smallest p of a two-sided Wilcoxon test is .0625
ALPHA = 0.05
LEVEL = 0.95  # of intervals
