"""`python -m tfal.report FOLDER [...]`."""

import sys

from tfal.report.learning_curves import main

if __name__ == "__main__":
    sys.exit(main())
