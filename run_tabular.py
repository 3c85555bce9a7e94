"""Active learning on a table: any csv file of numbers, through the MLP. --csv FILE --label COLUMN."""

import sys

from models import BUILDERS
from tfal.cli import main
from tfal.recipe.protocols.tabular import PRESETS, SOURCE

if __name__ == "__main__":
    sys.exit(main(__doc__, PRESETS, BUILDERS, SOURCE))
