"""A small data set, and runs on it as a loop leaves them."""

import json

import numpy as np
import pytest

from tfal.data import fingerprint, from_arrays
from tfal.pool import Pool

N, CLASSES = 60, ("ant", "bee", "cat")


@pytest.fixture(scope="session")
def data():
    """60 pictures of 6 x 4 in grey, of class i % 3; pixel 0 of picture i is i."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (N, 6, 4), dtype=np.uint8)
    images[:, 0, 0] = np.arange(N)
    labels = np.arange(N) % 3
    return from_arrays("small", images, labels, images[:3], labels[:3], CLASSES)


def bought(labels, *rounds, n_known=None):
    """A pool in which the ids of each round were labeled; n_known: classes below are known."""
    pool = Pool.unlabeled_pool(len(labels))
    for step, ids in enumerate(rounds):
        ids = np.array(ids)
        pool.label_samples(ids, np.minimum(labels[ids], n_known or 99), step, n_known)
    return pool


def keep(folder, pool, data):
    """The files of a repetition."""
    folder.mkdir(parents=True)
    pool.save(folder / "pool.npz")
    stored = {"recipe": {"dataset": data.name, "data": fingerprint(data)}}
    (folder / "recipe.json").write_text(json.dumps(stored))


@pytest.fixture(scope="session")
def runs(data, tmp_path_factory):
    """Two strategies; repetition 2 is the first that both of them have."""
    root = tmp_path_factory.mktemp("results") / "small_SCNN"
    keep(root / "margin" / "rep001", bought(data.y_train, [0, 1, 2], [3, 6, 9]), data)
    keep(root / "margin" / "rep002", bought(data.y_train, [3, 4, 5], [30, 33, 36, 39], [50, 51]), data)
    keep(root / "random" / "rep002", bought(data.y_train, [3, 4, 5], [10, 11, 12, 13], [20, 21]), data)
    return root
