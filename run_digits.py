"""Active learning on scikit-learn's digits: the quickest way to see it work. No download, under 3 minutes."""

import sys

from models import BUILDERS
from tfal.cli import main
from tfal.recipe import Recipe

DIGITS = Recipe(
    dataset="digits",
    network="SCNN",
    strategy="ldms,random",
    n_epoch=30,
    n_valid=200,
    n_init=20,
    n_pool=1000,
    n_query=20,
    n_step=8,
    n_sample=1000,
    n_rep=3,
)

SOURCE = "our choice for this data set"
PRESETS = {"digits": DIGITS}

if __name__ == "__main__":
    sys.exit(main(__doc__, PRESETS, BUILDERS, SOURCE))
