"""Asking a strategy about what a lab has: what tfal.query, tfal.rank and tfal.Campaign share.

`checked_strategy` makes it of a name and options, `open_given` opens what it is to read, `ask` asks it once, `rank_all`
for all candidates in order.
"""

from tfal.asking.ask import Ranked, ask, checked_number, narrowed, rank_all
from tfal.asking.opened import Given, Opened, open_given
from tfal.asking.strategy import checked_strategy, shown_name

__all__ = [
    "Given",
    "Opened",
    "Ranked",
    "ask",
    "checked_number",
    "checked_strategy",
    "narrowed",
    "open_given",
    "rank_all",
    "shown_name",
]
