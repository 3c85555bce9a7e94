"""Active learning on MedMNIST's sets: the cold-start protocol, 20 images and 10 more in each of 10 rounds."""

import sys

from models import BUILDERS
from tfal.cli import main
from tfal.recipe.protocols.medmnist import PRESETS, SOURCE

if __name__ == "__main__":
    sys.exit(main(__doc__, PRESETS, BUILDERS, SOURCE))
