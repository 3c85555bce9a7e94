"""Active learning on MNIST: the protocol of LDM-S (Cho et al., ICLR 2024) with S-CNN."""

import dataclasses
import sys

from models import BUILDERS
from tfal.cli import main
from tfal.recipe import Recipe

LDMS = Recipe(dataset="mnist", network="SCNN")  # the recipe's own defaults are this protocol

SOURCE = "LDM-S public code"
PRESETS = {
    "ldms": LDMS,
    "quick": dataclasses.replace(LDMS, n_epoch=5, n_valid=500, n_step=5, n_rep=1),  # a look, not a result
}

if __name__ == "__main__":
    sys.exit(main(__doc__, PRESETS, BUILDERS, SOURCE))
