"""Active learning on ImageNet, ImageNet-LT or any tree of image files: low budgets, LDM-S, MQ-Net's ImageNet50."""

import sys

from models import BUILDERS
from tfal.cli import main
from tfal.recipe.protocols.imagenet import PRESETS, SOURCE

if __name__ == "__main__":
    sys.exit(main(__doc__, PRESETS, BUILDERS, SOURCE))
