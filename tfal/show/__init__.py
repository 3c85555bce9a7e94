"""Pictures of picks, for notebooks and scripts: what was chosen, of which classes, and where in the pool it lies.

Each function takes what was picked as tfal hands it out: ids, ids and scores of `tfal.query` and `tfal.rank`, the
rounds of `tfal.run`, a campaign, a folder of results or a pool.npz. Each gives back a matplotlib figure, which a
notebook shows and `figure.savefig` writes; pyplot is not touched. No TensorFlow is needed.
"""

from tfal.show.histogram import class_histogram
from tfal.show.plane import embedding
from tfal.show.sheet import contact_sheet

__all__ = ["class_histogram", "contact_sheet", "embedding"]
