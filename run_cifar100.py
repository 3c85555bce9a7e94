"""Active learning on CIFAR-100: the open-set protocol of MQ-Net (Park et al., NeurIPS 2022), 40 known classes."""

import sys

from models import BUILDERS
from tfal.cli import main
from tfal.recipe.protocols.cifar100 import PRESETS, SOURCE

if __name__ == "__main__":
    sys.exit(main(__doc__, PRESETS, BUILDERS, SOURCE))
