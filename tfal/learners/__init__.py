"""Learners by name: what is trained, and what can be read from it."""

from __future__ import annotations

from typing import Any

from tfal.learners.classifier import Classifier

__all__ = ["LEARNERS"]

LEARNERS: dict[str, Any] = {"classifier": Classifier}
