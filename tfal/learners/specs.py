"""The learners of tfal by name: what they are trained on, and their options; those of detectors: detector_options."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from tfal.learners.base import LearnerSpec
from tfal.learners.detector_options import DetectorOptions, EnergyDetectorOptions, EntropicDetectorOptions
from tfal.recipe.options import CCAL, INITIAL_POOLS, MQNET, option

_published = partial(option, protocol=True)


@dataclass(frozen=True)
class LossPredictorOptions:
    """Options of the classifier that predicts its own loss."""

    n_epoch_loss: int = _published(
        120, "epochs in which the predicted loss trains the whole network", least=0, source=MQNET
    )
    rank_ties: str = _published("mask", "equal losses make no pair, or as in the code", choices=("mask", "code"))
    classifier_bias: str = _published("on", "code leaves the head's bias out", choices=("on", "code"))


@dataclass(frozen=True)
class EnsembleOptions:
    """Options of the ensemble."""

    n_member: int = _published(3, "networks", least=2, source=INITIAL_POOLS)


@dataclass(frozen=True)
class ContrastiveOptions:
    """Options of all encoders that are trained by contrast."""

    n_batch_encoder: int = _published(
        32, "pretraining batch before views and rotations [images]", least=2, source=MQNET
    )
    n_warmup: int = _published(10, "epochs in which the learning rate rises to its tenfold", least=0, source=MQNET)
    lr_encoder: float = _published(0.1, "learning rate before the warm-up", above=0, source=MQNET)
    coder_input: str = _published(
        "unit", "values that encoders see: unit range, or as in MQ-Net's code", choices=("unit", "code")
    )


@dataclass(frozen=True)
class CSIOptions(ContrastiveOptions):
    """Options of MQ-Net's encoder."""

    n_epoch_csi: int = _published(1000, "pretraining epochs, csi", least=1, source=MQNET)


@dataclass(frozen=True)
class CCALOptions(ContrastiveOptions):
    """Options of CCAL's two encoders."""

    n_epoch_ccal: int = _published(700, "pretraining epochs, ccal", least=1, source=MQNET)


@dataclass(frozen=True)
class CCALSemanticOptions(CCALOptions):
    """Options of CCAL's first encoder."""

    ccal_views: str = _published(
        "mild",
        "ccal: mean over 10 crops of 54 percent, or heavy: one random view",
        choices=("mild", "heavy"),
        source=CCAL,
    )


@dataclass(frozen=True)
class SimCLROptions(ContrastiveOptions):
    """Options of SimCLR."""

    n_epoch_simclr: int = _published(200, "pretraining epochs, simclr", least=1)
    simclr_optimizer: str = _published(
        "lars",
        "simclr; sgd: no warm-up, lrEncoder falls to a thousandth by a cosine; both with momentum 0.9",
        choices=("lars", "sgd"),
        source=MQNET,
    )
    simclr_decay: float = _published(1e-6, "weight decay, simclr", least=0, source=MQNET)
    simclr_temperature: float = _published(0.5, "temperature of the loss, simclr", above=0, source=MQNET)
    simclr_sides: str = _published(
        "both",
        "views that look for their partners, simclr: both, or the first one only",
        choices=("both", "one"),
        source=MQNET,
    )
    simclr_jitter: float = _published(
        0.4, "how far factors of contrast, colour and light are from 1, simclr", least=0, source=MQNET
    )
    simclr_hue: float = _published(
        0.1 * 255 / 360, "largest shift of the hue [turns], simclr", least=0, below=1, source=MQNET
    )
    simclr_crop: float = _published(0.08, "smallest area of a crop [share], simclr", above=0, below=1, source=MQNET)


@dataclass(frozen=True)
class EncoderOptions:
    """Options of the frozen encoder."""

    encoder: str = _published(
        "simclr",
        "where frozen features come from: simclr (trained here), a .keras file, or keras:NAME for ImageNet weights",
        file=True,
    )
    trust_encoder: str = _published(
        "off",
        "on: the .keras file of --encoder may run code, such as that of Lambda layers, and is loaded with any Keras",
        choices=("off", "on"),
        identity=False,
        uses="keras",
    )
    encoder_statistics: str = _published(
        "imagenet",
        "mean and deviation that a converted checkpoint's images are normalised by: ImageNet's, or channels, those of "
        "the training images",
        choices=("imagenet", "channels"),
        uses="converted",
    )


@dataclass(frozen=True)
class VAEOptions:
    """Options of the autoencoder."""

    n_epoch_vae: int = _published(200, "pretraining epochs, vae", least=1, source=INITIAL_POOLS)
    n_batch_vae: int = _published(200, "batch, vae [images]", least=1, source=INITIAL_POOLS)
    lr_vae: float = _published(1e-3, "learning rate of Adam, vae", above=0, source=INITIAL_POOLS)
    vae_latent: int = _published(128, "dimensions of the latent space, vae", least=1, source=INITIAL_POOLS)


@dataclass(frozen=True)
class ScanOptions:
    """Options of SCAN."""

    n_epoch_scan: int = _published(50, "epochs of the clustering, scan", least=1, source=INITIAL_POOLS)
    n_batch_scan: int = _published(128, "batch, scan [images]", least=2, source=INITIAL_POOLS)
    lr_scan: float = _published(1e-4, "learning rate of Adam, scan", above=0, source=INITIAL_POOLS)
    n_neighbor_scan: int = _published(20, "nearest neighbors of an image, scan", least=1, source=INITIAL_POOLS)
    n_cluster: int = _published(0, "clusters; 0: as many as classes", least=0)


@dataclass(frozen=True)
class SelfLabelOptions:
    """Options of the self-label stage of SCAN, beside those of SCAN."""

    n_epoch_self_label: int = _published(
        200, "epochs of the self-label stage, self_label", least=1, source=INITIAL_POOLS
    )


@dataclass(frozen=True)
class VAALOptions:
    """Options of VAAL's autoencoder and discriminator."""

    n_epoch_vaal: int = _published(
        100, "epochs of vae and discriminator in each round, vaal", least=1, source=INITIAL_POOLS
    )
    n_batch_vaal: int = _published(64, "batch from each pool, vaal [images]", least=1, source=INITIAL_POOLS)
    lr_vaal: float = _published(5e-4, "learning rate of Adam, vaal", above=0, source=INITIAL_POOLS)
    vaal_latent: int = _published(32, "dimensions of the latent space, vaal", least=1, source=INITIAL_POOLS)
    vaal_kl: str = _published(
        "mean", "vaal: divergence as a mean like the error, or summed as in the code", choices=("mean", "sum")
    )


def _of_encoder(recipe: Any) -> tuple[str, ...]:
    return ("simclr",) if recipe.encoder == "simclr" else ()


_HERE = "tfal.learners"
_by_labels = partial(LearnerSpec, trained_on="labels")
_pretrained = partial(LearnerSpec, trained_on="images", learning_rate_option="lr_encoder", kept=True)


LEARNERS: dict[str, LearnerSpec] = {
    spec.name: spec
    for spec in (
        _by_labels(
            "classifier", f"{_HERE}.classifier:Classifier", from_model=True, from_features=True, output="logits"
        ),
        _by_labels(
            "loss_predictor",
            f"{_HERE}.loss_prediction:LossPredictor",
            options=LossPredictorOptions,
            from_model=True,
            output="predicted_loss",
        ),
        _by_labels(
            "ensemble",
            f"{_HERE}.ensemble:Ensemble",
            options=EnsembleOptions,
            doing="training the ensemble",
            output="member_logits",
        ),
        _by_labels(
            "detector",
            f"{_HERE}.detector:Detector",
            learning_rate_option="lr_detector",
            options=DetectorOptions,
            doing="training the detector of unknown classes",
            output="logits",
        ),
        _by_labels(
            "energy_detector",
            f"{_HERE}.detector:EnergyDetector",
            learning_rate_option="lr_energy",
            options=EnergyDetectorOptions,
            doing="training the detector of unknown classes by energies",
            output="logits",
        ),
        _by_labels(
            "entropic_detector",
            f"{_HERE}.entropic:EntropicDetector",
            learning_rate_option="lr_entropic",
            options=EntropicDetectorOptions,
            doing="training the detector of unknown classes with binary heads",
            output="logits",
        ),
        _by_labels(
            "vaal",
            f"{_HERE}.vaal:VAALearner",
            learning_rate_option="lr_vaal",
            options=VAALOptions,
            doing="training VAAL's autoencoder and discriminator",
            output="labeled_logit",
        ),
        _pretrained(
            "csi",
            f"{_HERE}.contrastive_encoders:CSI",
            options=CSIOptions,
            doing="pretraining the encoder csi",
            output="projection",
        ),
        _pretrained(
            "ccal_semantic",
            f"{_HERE}.contrastive_encoders:CCALSemantic",
            options=CCALSemanticOptions,
            doing="pretraining the encoder ccal_semantic",
            output="projection_views",
        ),
        _pretrained(
            "ccal_distinctive",
            f"{_HERE}.contrastive_encoders:CCALDistinctive",
            options=CCALOptions,
            doing="pretraining the encoder ccal_distinctive",
            output="projection_rotations",
        ),
        _pretrained(
            "simclr",
            f"{_HERE}.contrastive_encoders:SimCLR",
            options=SimCLROptions,
            doing="pretraining the encoder simclr",
            output="simclr_loss",
        ),
        _pretrained(
            "encoder",
            f"{_HERE}.frozen_encoder:FrozenEncoder",
            options=EncoderOptions,
            kept=False,  # its simclr is
            starts_from=_of_encoder,
            from_features=True,
        ),
        _pretrained(
            "vae",
            f"{_HERE}.vae:VAE",
            learning_rate_option="lr_vae",
            options=VAEOptions,
            doing="pretraining the autoencoder",
            output="vae_loss",
        ),
        _pretrained(
            "scan",
            f"{_HERE}.scan:Scan",
            learning_rate_option="lr_scan",
            options=ScanOptions,
            doing="clustering by SCAN",
            output="logits",
            starts_from=lambda recipe: ("simclr",),
        ),
        _pretrained(
            "self_label",
            f"{_HERE}.scan:SelfLabel",
            learning_rate_option="lr_scan",
            options=SelfLabelOptions,
            doing="self-labeling after SCAN",
            output="logits",
            starts_from=lambda recipe: ("scan", "simclr"),
        ),
    )
}
