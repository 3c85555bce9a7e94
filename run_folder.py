"""Labels a folder of your own pictures, in rounds: asks for the pictures that teach a classifier most."""

import sys

from models import BUILDERS
from tfal.labeling.cli import main

if __name__ == "__main__":
    sys.exit(main(BUILDERS))
