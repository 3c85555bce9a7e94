"""Learners by name: what is trained, and what can be read from it."""

from __future__ import annotations

from typing import Any

from tfal.learners.classifier import Classifier
from tfal.learners.contrastive_encoders import CSI, CCALDistinctive, CCALSemantic, SimCLR
from tfal.learners.ensemble import Ensemble
from tfal.learners.frozen_encoder import FrozenEncoder
from tfal.learners.loss_prediction import LossPredictor
from tfal.learners.scan import Scan, SelfLabel
from tfal.learners.vaal import Vaal
from tfal.learners.vae import VAE

__all__ = ["LEARNERS"]

LEARNERS: dict[str, Any] = {
    learner.name: learner
    for learner in (
        Classifier,
        LossPredictor,
        Ensemble,
        CSI,
        CCALSemantic,
        CCALDistinctive,
        FrozenEncoder,
        Vaal,
        SimCLR,
        VAE,
        Scan,
        SelfLabel,
    )
}
