"""Active learning on CIFAR-10: the protocols of LDM-S (ICLR 2024, K-CNN) and of MQ-Net (NeurIPS 2022, ResNet-18)."""

import sys

from models import BUILDERS
from tfal.cli import main
from tfal.recipe.protocols.cifar10 import PRESETS, SOURCE

if __name__ == "__main__":
    sys.exit(main(__doc__, PRESETS, BUILDERS, SOURCE))
