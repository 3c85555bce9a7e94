"""Asking a strategy about what a lab has: what tfal.query and tfal.Campaign share.

`checked_strategy` makes it of a name and options, `open_given` opens what it is to read, `ask` asks it once.
"""

from tfal.asking.ask import ask, checked_number, view_of
from tfal.asking.opened import Given, Opened, open_given
from tfal.asking.strategy import checked_strategy, shown_name

__all__ = ["Given", "Opened", "ask", "checked_number", "checked_strategy", "open_given", "shown_name", "view_of"]
