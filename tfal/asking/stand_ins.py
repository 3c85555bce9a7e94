"""What stands for each learner that a strategy reads: networks, arrays, or a linear head on features."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tfal.asking.strategy import shown_name
from tfal.errors import InputError
from tfal.learners import LEARNERS
from tfal.strategies import Strategy

EACH = "a Keras model, a function of a batch, or an array"


@dataclass(frozen=True)
class StandIn:
    """What stands for one learner.

    given: a Keras model, a function, a list of these, an array, or a dict of arrays by output; for a head, its
    features. outputs: names of outputs and of the layers that make them. what: what errors call it. head: whether a
    linear head is to be trained on `given`.
    """

    given: Any
    outputs: Mapping[str, str] | None = None
    what: str = ""
    head: bool = False

    @property
    def is_network(self) -> bool:
        """Whether images go through it."""
        return is_network(self.given) or is_networks(self.given)


def is_keras(given: Any) -> bool:
    """Whether it is a Keras model; where Keras was never loaded, nothing is."""
    keras: Any = sys.modules.get("keras")
    return keras is not None and isinstance(given, keras.Model)


def is_network(given: Any) -> bool:
    """Whether it is a Keras model, or a function that may stand for one."""
    return is_keras(given) or (callable(given) and not hasattr(given, "__array__"))


def is_networks(given: Any) -> bool:
    """Whether it is several of them."""
    return isinstance(given, Sequence) and not isinstance(given, str) and len(given) > 0 and all(map(is_network, given))


def stand_ins(strategy: Strategy, model: Any, features: Any, outputs: Any) -> dict[str, StandIn]:
    """What stands for each of the strategy's learners.

    Args: see tfal.query.

    Raises InputError where nothing stands for one of them, and where something that was given would not be looked at.
    A strategy that reads nothing ignores all of it.
    """
    model = None if isinstance(model, Mapping) and not model else model
    _check_outputs(outputs, isinstance(model, Mapping))
    if not strategy.learners:
        return {}
    found = _by_name(strategy, model, outputs) if isinstance(model, Mapping) else _single(strategy, model, outputs)
    found |= _of_features(strategy, features, found)
    missing = [name for name in strategy.learners if name not in found]
    if missing:
        raise _nothing_for(strategy, missing, model, features)
    _check_looked_at(strategy, model, features, outputs, found)
    return found


def _check_outputs(outputs: Any, by_learner: bool) -> None:
    def is_names(given: Any) -> bool:
        return isinstance(given, Mapping) and all(isinstance(name, str) for name in given.values())

    good = (
        is_names(outputs) if not by_learner else isinstance(outputs, Mapping) and all(map(is_names, outputs.values()))
    )
    if outputs is not None and not good:
        more = " for each model, {'classifier': {'logits': ...}}" if by_learner else ""
        raise InputError(f"outputs must be a dict of layers' names by outputs' names{more}. Received: {outputs!r}.")


def _by_name(strategy: Strategy, model: Mapping[Any, Any], outputs: Any) -> dict[str, StandIn]:
    unknown = [name for name in model if name not in strategy.learners]
    if unknown:
        raise InputError(
            f"model as a dict must be by the learners that strategy {shown_name(strategy)} reads, "
            f"{', '.join(strategy.learners)}. Received: {unknown[0]!r}. An output of one is given as "
            f"{{{strategy.learners[0]!r}: {{'logits': ..., 'features': ...}}}}."
        )
    stray = [name for name in outputs or {} if not is_network(model.get(name))]
    if stray:
        raise InputError(
            f"outputs name layers of Keras models in model. Received: {stray[0]!r}, for which there is none."
        )
    return {
        name: StandIn(given, (outputs or {}).get(name), f"model[{name!r}]")
        for name, given in model.items()
        if given is not None
    }


def _single(strategy: Strategy, model: Any, outputs: Any) -> dict[str, StandIn]:
    if model is None:
        return {}
    if is_networks(model):
        if "ensemble" not in strategy.learners:
            raise InputError(
                f"strategy {shown_name(strategy)} reads {' and '.join(strategy.learners)}, and no ensemble. Received: "
                "a list of models. Lists are for strategies such as variation_ratio and ensemble_entropy."
            )
        return {"ensemble": StandIn(model, outputs, "model")}
    if not is_network(model):
        mend = (
            "Load it: keras.saving.load_model(path)"
            if isinstance(model, (str, os.PathLike))
            else "Embeddings are given as features=..., logits of a classifier as model={'classifier': logits}"
        )
        raise InputError(
            "model must be a Keras model, a function of a batch, a list of these, or a dict of them by learner. "
            f"Received: a {type(model).__name__}. {mend}."
        )
    reads = [name for name in strategy.learners if name in LEARNERS and LEARNERS[name].from_model]
    return {name: StandIn(model, outputs, "model") for name in reads}


def _of_features(strategy: Strategy, features: Any, found: Mapping[str, StandIn]) -> dict[str, StandIn]:
    """Features are those of the encoder; and where nothing else is the classifier, a linear head on them is."""
    if features is None:
        return {}
    if isinstance(features, Mapping) or (callable(features) and not hasattr(features, "__array__")):
        raise InputError(
            f"features must be an array (N, d), a memory map, or the path of an .npy file. Received: a "
            f"{type(features).__name__}. What makes features of images is given as model={{'encoder': ...}}."
        )
    made = {}
    if "encoder" in strategy.learners:
        made["encoder"] = StandIn(features, what="features")
    if "classifier" in strategy.learners and "classifier" not in found and not strategy.required_outputs:
        made["classifier"] = StandIn(features, what="features", head=True)
    twice = [name for name in made if name in found]
    if twice:
        raise InputError(
            f"features and model must not both be the {twice[0]}. Received: both. Leave features, or {twice[0]!r} of "
            "model, out."
        )
    return made


def _nothing_for(strategy: Strategy, missing: Sequence[str], model: Any, features: Any) -> InputError:
    reads = f"strategy {shown_name(strategy)} reads {' and '.join(strategy.learners)}"
    what = "a dict" if isinstance(model, Mapping) else "a model" if model is not None else "no model"
    what += "" if features is None else " and features"
    if missing == ["classifier"]:
        named = " and ".join(strategy.required_outputs)
        mend = (
            f"Give a Keras model, whose {named} are read: features have none"
            if strategy.required_outputs
            else "Give one Keras model, or features and labels, for a linear head on them"
        )
    elif missing == ["ensemble"]:
        mend = "Give a list of models: model=[first, second, third]"
    elif missing == ["encoder"]:
        mend = (
            "Give features=..., an array (N, d), row i of sample i, or model={'encoder': a Keras model that makes them}"
        )
    else:
        wanted = ", ".join(f"{name!r}: {_output(name)}" for name in strategy.learners)
        mend = f"Give model={{{wanted}}}, each {EACH}, or run the strategy through tfal.run, which trains them"
    return InputError(f"{reads}. Received: {what}, nothing for {' and '.join(missing)}. {mend}.")


def _output(name: str) -> str:
    return LEARNERS[name].output if name in LEARNERS else "features"


def _check_looked_at(strategy: Strategy, model: Any, features: Any, outputs: Any, found: Mapping[str, StandIn]) -> None:
    """Raises InputError for what was given and is not read by this strategy: its picks would not depend on it."""
    name = shown_name(strategy)
    if features is not None and not any(part.what == "features" for part in found.values()):
        no_head = "classifier" not in strategy.learners or strategy.required_outputs
        raise InputError(
            f"strategy {name} reads no encoder, and looks at features only without a model. Received: both. Leave out "
            + ("features." if no_head else "features, or the model, for a linear head on features.")
        )
    networks = [part for part in found.values() if part.what != "features"]
    if model is not None and not networks:
        raise InputError(
            f"strategy {name} reads features alone and looks at no model. Received: both. Leave the model out (None)."
        )
    if outputs is not None and not any(_has_layers(part.given) for part in networks):
        raise InputError(
            "outputs name layers of a Keras model. Received: outputs without such a model. Leave them out."
        )


def _has_layers(given: Any) -> bool:
    return is_keras(given) or (is_networks(given) and any(map(_has_layers, given)))
