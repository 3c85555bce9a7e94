"""Data sets: loading them by name, and tf.data pipelines over their images."""

from tfal.data.dataset import DATASETS, Dataset, fingerprint, load, with_unknown
from tfal.data.loading import load_for

__all__ = ["DATASETS", "Dataset", "fingerprint", "load", "load_for", "with_unknown"]
