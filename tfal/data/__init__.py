"""Data sets: loading them by name, and tf.data pipelines over their images."""

from tfal.data.dataset import DATASETS, Dataset, fingerprint, load, load_for, with_unknown

__all__ = ["DATASETS", "Dataset", "fingerprint", "load", "load_for", "with_unknown"]
