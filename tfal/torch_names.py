"""Finds a known network among the names of a checkpoint, whatever stands before them and beside them.

Training code wraps a network in others: "module." (DataParallel), "_orig_mod." (torch.compile), "backbone." (lightly),
"module.encoder_q." (MoCo), "teacher.backbone." (DINO). All of a network's names begin with the same prefix, so the
prefix is looked for behind which every name of the network stands, and nothing else but heads.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from tfal.errors import InputError

# What stands behind the pooling: classifiers, projections, prototypes, and the queue of MoCo.
_HEAD = re.compile(r"(fc|head|last_linear|linear|classifier|proj|predict|prototype|mlp|queue)\w*(\.|$)")
_COUNTER = ".num_batches_tracked"
# nn.Sequential(*resnet.children()), as lightly has it, knows the layers by their places.
_PLACES = {"0": "conv1", "1": "bn1", "4": "layer1", "5": "layer2", "6": "layer3", "7": "layer4"}
# Of two copies of a network the one that its authors evaluate: MoCo, MoCo-v3, DINO, BYOL, and lightly's.
KEPT_BEFORE = (
    ("encoder_q", "encoder_k"),
    ("base_encoder", "momentum_encoder"),
    ("teacher", "student"),
    ("online_encoder", "target_encoder"),
    ("online_network", "target_network"),
    ("backbone", "backbone_momentum"),
)


class Found(NamedTuple):
    """A network in a checkpoint.

    kind: its name. prefix: what its names begin with. names: its own names -> those in the checkpoint. left_out: what
    else is there, in groups.
    """

    kind: str
    prefix: str
    names: dict[str, str]
    left_out: list[str]


class _Fit(NamedTuple):
    kind: str
    prefix: str
    names: dict[str, str]
    missing: list[str]
    left: list[str]

    @property
    def share(self) -> float:
        """The share that fits of the names that are there or should be, in [0, 1]."""
        return len(self.names) / (len(self.names) + len(self.missing) + len(self.left))


def flattened(checkpoint: Mapping[Any, Any], before: str = "") -> dict[str, Any]:
    """All tensors of nested dicts by dotted names; anything without a shape, and dicts of numbers, are left out."""
    found: dict[str, Any] = {}
    for name, value in checkpoint.items():
        if isinstance(name, str):
            if isinstance(value, Mapping):
                found |= flattened(value, f"{before}{name}.")
            elif hasattr(value, "shape"):
                found[before + name] = value
    return found


def find_network(names: Collection[str], kinds: Mapping[str, Collection[str]], prefix: str | None = None) -> Found:
    """The one network of these kinds that a checkpoint's names hold.

    Args:
        names: of the checkpoint's tensors, dotted.
        kinds: the names of each kind of network, without prefix.
        prefix: where to look; found out where not given. Of two copies that both fit, KEPT_BEFORE says which is taken.

    Raises:
        InputError: names of a network are missing, others but heads are left over behind its prefix, or several
            networks fit.
    """
    counted = [name for name in names if not name.endswith(_COUNTER)]
    fits = [fit for kind, wanted in kinds.items() for fit in _fits(counted, kind, wanted)]
    if prefix is not None:
        wished = {prefix, f"{prefix}."}
        fits, there = [fit for fit in fits if fit.prefix in wished], sorted({fit.prefix for fit in fits if _whole(fit)})
        if not fits:
            listed_ones = ", ".join(map(repr, there)) or "none that fits"
            raise InputError(
                f"--prefix: no name of a {' or '.join(kinds)} begins with {prefix!r}. Found: {listed_ones}."
            )
    if not fits:
        raise InputError(
            f"the checkpoint holds no {' or '.join(kinds)}: no tensor has a name of torchvision's, such as "
            f"layer1.0.conv1.weight. Received: {listed(counted)}."
        )
    found = _preferred([fit for fit in fits if _whole(fit)])
    if not found:
        raise _misfit(max(fits, key=lambda fit: fit.share), kinds)
    if len(found) > 1:
        raise InputError(
            f"the checkpoint holds several networks: {', '.join(repr(fit.prefix) for fit in found)}. "
            f"Choose one: --prefix {found[0].prefix!r}."
        )
    return Found(*found[0][:3], _groups(counted, found[0]))


def listed(names: Collection[str]) -> str:
    """The first three, and how many there are."""
    return (", ".join(list(names)[:3]) + (f", ... ({len(names)})" if len(names) > 3 else "")) or "none"


def _prefixes(names: Iterable[str], wanted: Collection[str]) -> list[str]:
    """What stands before a network's name, often enough to be more than chance, in order of appearance."""
    counts: Counter[str] = Counter()
    for name in names:
        parts = name.split(".")
        for i in range(len(parts)):
            if _plain(".".join(parts[i:])) in wanted:
                counts["".join(f"{part}." for part in parts[:i])] += 1
    most = max(counts.values(), default=0)
    return [prefix for prefix, n in counts.items() if n > most // 2]


def _plain(name: str) -> str:
    first, dot, rest = name.partition(".")
    return _PLACES.get(first, first) + dot + rest


def _fits(names: Iterable[str], kind: str, wanted: Collection[str]) -> list[_Fit]:
    """One for each prefix; what stands behind a longer one is no part of the network behind a shorter one."""
    prefixes = _prefixes(names, wanted)
    fits = []
    for prefix in prefixes:
        longer = tuple(other for other in prefixes if other != prefix and other.startswith(prefix))
        fits.append(_fit([name for name in names if not name.startswith(longer)], kind, wanted, prefix))
    return fits


def _fit(names: Iterable[str], kind: str, wanted: Collection[str], prefix: str) -> _Fit:
    own = {_plain(name.removeprefix(prefix)): name for name in names if name.startswith(prefix)}
    fitting = {name: own[name] for name in wanted if name in own}
    left = [name for name in own if name not in fitting and not _HEAD.match(name)]
    return _Fit(kind, prefix, fitting, [name for name in wanted if name not in own], left)


def _whole(fit: _Fit) -> bool:
    return not fit.missing and not fit.left


def _preferred(fits: list[_Fit]) -> list[_Fit]:
    for kept, other in KEPT_BEFORE:
        if any(kept in fit.prefix.split(".") for fit in fits):
            fits = [fit for fit in fits if other not in fit.prefix.split(".")]
    return fits


def _misfit(fit: _Fit, kinds: Collection[str]) -> InputError:
    behind = f" behind {fit.prefix!r}" if fit.prefix else ""
    return InputError(
        f"the checkpoint is no {fit.kind}{behind}: missing: {listed(fit.missing)}; left over: {listed(fit.left)}. "
        f"Expected: {' or '.join(kinds)} by torchvision's names."
    )


def _groups(names: Iterable[str], fit: _Fit) -> list[str]:
    """Where the names that are not used begin to differ from the prefix, each once."""
    used, own = set(fit.names.values()), fit.prefix.split(".")[:-1]
    found: dict[str, None] = {}
    for name in names:
        if name not in used:
            parts = name.split(".")
            same = next((i for i, (a, b) in enumerate(zip(parts, own, strict=False)) if a != b), len(own))
            found[".".join(parts[: same + 1])] = None
    return list(found)
