"""Active learning on scikit-learn's digits: the quickest way to see it work. No download, under 3 minutes."""

import sys

from models import BUILDERS
from tfal.cli import main
from tfal.recipe.protocols.digits import PRESETS, SOURCE

if __name__ == "__main__":
    sys.exit(main(__doc__, PRESETS, BUILDERS, SOURCE))
