"""--threads: the same numbers on any number of cores, and what recipe.json tells of the machine."""

import os

import pytest

from tfal.errors import InputError
from tfal.storage.environment import Notes, differences, environment, usable_cores
from tfal.training.runtime import prepare_tensorflow

# Three epochs of S-CNN at batch 128, on which the number of threads tells, and a product of NumPy; cores as given.
CHILD = """
import os, sys, hashlib
os.sched_setaffinity(0, {int(core) for core in sys.argv[1].split(",")})
import numpy as np
import threadpoolctl
threadpoolctl.threadpool_limits(len(os.sched_getaffinity(0)))  # as BLAS begins in a process of its own
from models import BUILDERS
from tfal.data.images import Images
from tfal.learners.classifier import Classifier
from tfal.training.runtime import prepare_tensorflow
from tfal.pool import Pool
from tfal.recipe import Recipe
from tfal.streams import Streams
prepare_tensorflow(2)
x = np.random.default_rng(0).integers(256, size=(400, 28, 28, 1), dtype=np.uint8)
pool = Pool.unlabeled_pool(400)
pool.label_samples(np.arange(400), np.arange(400) % 10, 0)
learner = Classifier(BUILDERS["SCNN"], Images(x), 10, Recipe(n_batch=128, n_epoch=3))
learner.fit(pool, Streams(0))
digest = hashlib.blake2b(b"".join(w.tobytes() for w in learner.weights()))
digest.update((x.reshape(400, -1) / 255 @ x.reshape(400, -1).T).tobytes())
print(digest.hexdigest())
"""


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity") or usable_cores() < 2, reason="needs two cores, on Linux")
def test_with_fixed_threads_cores_do_not_matter(nursery, tmp_path):
    """TensorFlow looks for its cores when it first computes, in the fork."""
    first, second = sorted(os.sched_getaffinity(0))[:2]
    ended = [nursery.run(tmp_path, "-c", CHILD, cores) for cores in (f"{first}", f"{first},{second}")]
    assert [done.code for done in ended] == [0, 0], ended[0].err
    found = [done.out.strip() for done in ended]
    assert len(found[0]) == 128
    assert found[0] == found[1]


def test_threads_are_fixed_before_tensorflow_starts():
    import tensorflow as tf

    tf.constant(0.0)
    with pytest.raises(InputError, match="--threads must be set before TensorFlow computes anything"):
        prepare_tensorflow(1 + tf.config.threading.get_intra_op_parallelism_threads())


def test_an_environment_tells_what_picks_depend_on(caplog):
    here = environment()
    assert here["cores"] == usable_cores()
    assert {"TF_ENABLE_ONEDNN_OPTS", "OMP_NUM_THREADS", "processor", "tensorflow", "python"} <= here.keys()
    assert differences(here, here) == []
    assert differences({"python": here["python"]}, here) == []  # of an earlier version, which told less
    more = {**here, "cores": here["cores"] + 1}
    assert differences(more, here) == [f"cores: {here['cores'] + 1} there, {here['cores']} here"]
    fixed = {"intra_op_threads": 2}
    assert differences({**more, **fixed}, {**here, **fixed}) == []
    notes = Notes()
    for _ in range(2):
        notes.say(differences(more, here))
    assert len(caplog.records) == 1
    assert "cores: " in caplog.records[0].getMessage()
