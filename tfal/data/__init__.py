"""Data sets: loading them by name, and tf.data pipelines over their images."""

from tfal.data.dataset import DATASETS, Dataset, from_arrays, load, with_unknown
from tfal.data.loading import data_for, load_for
from tfal.data.prints import fingerprint

__all__ = ["DATASETS", "Dataset", "data_for", "fingerprint", "from_arrays", "load", "load_for", "with_unknown"]
