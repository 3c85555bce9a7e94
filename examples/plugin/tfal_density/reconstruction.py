"""A strategy on a learner of its own: images that an autoencoder of the pool rebuilds worst."""

from dataclasses import dataclass

import numpy as np

from tfal import kernels
from tfal.kernels.parts.xp import to_numpy
from tfal.learners import LearnerSpec, register_learner
from tfal.pool.view import PoolView
from tfal.recipe.options import option
from tfal.strategies import Picks, Strategy


@dataclass(frozen=True)
class Options:
    """Of the learner; each is a flag of the runs that read it."""

    n_principal: int = option(16, "principal components that images are rebuilt from", least=1)


register_learner(
    LearnerSpec(
        "principal",
        "tfal_density.principal:Principal",  # imported, and TensorFlow with it, when one is made
        trained_on="images",
        options=Options,
        doing="finding principal components",
    )
)


@dataclass(frozen=True)
class Reconstruction(Strategy):
    """The n candidates of largest squared error; needs no label, so that --initial can be this, too."""

    learners = ("principal",)

    def query(self, view: PoolView, n: int, rng: np.random.Generator) -> Picks:
        errors = to_numpy(view.read("principal", ["squared_error"], view.candidates)["squared_error"])
        rows = kernels.top_n(errors, n, rng=rng)
        return Picks(view.candidates[rows], errors[rows])
