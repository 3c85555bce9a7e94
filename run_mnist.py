"""Active learning on MNIST: the protocol of LDM-S (Cho et al., ICLR 2024) with S-CNN."""

import sys

from models import BUILDERS
from tfal.cli import main
from tfal.recipe.protocols.mnist import PRESETS, SOURCE

if __name__ == "__main__":
    sys.exit(main(__doc__, PRESETS, BUILDERS, SOURCE))
