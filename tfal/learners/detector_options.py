"""Options of the detectors of unknown classes, each declared once, here."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from tfal.recipe.options import EAOA, EOAL, LFOSA, option

_published = partial(option, protocol=True)


@dataclass(frozen=True)
class DetectorOptions:
    """Options of the detector of unknown classes."""

    n_epoch_detector: int = _published(100, "epochs in each round, detector", least=1, source=LFOSA)
    lr_detector: float = _published(0.01, "first learning rate of SGD, detector", above=0, source=LFOSA)
    halve_detector: int = _published(
        20, "epochs after which its learning rate is halved, again and again, detector", least=1, source=LFOSA
    )
    detector_temperature: float = _published(
        0.5, "what logits are divided by in the loss, detector", above=0, source=LFOSA
    )


@dataclass(frozen=True)
class EnergyDetectorOptions:
    """Options of the detector of unknown classes by energies."""

    n_epoch_energy: int = _published(200, "epochs in each round, energy_detector", least=1, source=EAOA)
    lr_energy: float = _published(0.01, "first learning rate of SGD, energy_detector", above=0, source=EAOA)
    halve_energy: int = _published(
        60, "epochs after which its learning rate is halved, again and again, energy_detector", least=1, source=EAOA
    )
    energy_weight: float = _published(
        0.01, "how much energies count beside the cross-entropy, energy_detector", least=0, source=EAOA
    )
    energy_known: float = _published(-25.0, "energy that samples of known classes are to be below", source=EAOA)
    energy_unknown: float = _published(-7.0, "energy that samples of unknown classes are to be above", source=EAOA)


@dataclass(frozen=True)
class EntropicDetectorOptions:
    """Options of the detector of unknown classes with binary heads."""

    n_epoch_entropic: int = _published(300, "epochs in each round, entropic_detector", least=1, source=EOAL)
    lr_entropic: float = _published(0.01, "first learning rate of SGD, entropic_detector", above=0, source=EOAL)
    halve_entropic: int = _published(
        60, "epochs after which its learning rate is halved, again and again, entropic_detector", least=1, source=EOAL
    )
    entropic_temperature: float = _published(
        0.5, "what logits are divided by in the loss, entropic_detector", above=0, source=EOAL
    )
    pareto_alpha: float = _published(
        0.8, "share of rejected samples in the loss of the heads, entropic_detector", least=0, below=1, source=EOAL
    )
    cluster_weight: float = _published(
        0.1, "how much clusters of rejected samples count in the loss, entropic_detector", least=0, source=EOAL
    )
