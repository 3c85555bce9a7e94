"""What single picks can depend on besides the recipe: machine, threads, versions."""

from __future__ import annotations

import logging
import os
import platform
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

LOGGER = logging.getLogger("tfal")
_PACKAGES = ("tensorflow", "keras", "numpy", "scikit-learn")
_VARIABLES = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "TF_ENABLE_ONEDNN_OPTS")


def environment() -> dict[str, Any]:
    """Machine, versions and threads of this process, as json can write them; TensorFlow's once it is loaded."""
    found: dict[str, Any] = {
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": usable_cores(),
        **{name: os.environ.get(name, "not set") for name in _VARIABLES},
        **{name: metadata.version(name) for name in _PACKAGES},
    }
    tensorflow: Any = sys.modules.get("tensorflow")
    if tensorflow is None:
        return found
    threads = tensorflow.config.threading
    return found | {
        "intra_op_threads": threads.get_intra_op_parallelism_threads(),
        "inter_op_threads": threads.get_inter_op_parallelism_threads(),
        "gpus": [_gpu(tensorflow, device) for device in tensorflow.config.list_physical_devices("GPU")],
    }


def differences(there: dict[str, Any], here: dict[str, Any]) -> list[str]:
    """In what two environments differ that both tell, a few words for each.

    With intra-op threads that are fixed and the same, the number of cores does not count.
    """
    fixed = here.get("intra_op_threads") and there.get("intra_op_threads") == here["intra_op_threads"]
    names = [name for name in here if name in there and not (fixed and name in ("cores", "OMP_NUM_THREADS"))]
    return [f"{name}: {there[name]} there, {here[name]} here" for name in names if there[name] != here[name]]


class Notes:
    """Says in what rounds that are there were made elsewhere, each thing once."""

    def __init__(self) -> None:
        self._said: set[str] = set()

    def say(self, differences: list[str]) -> None:
        """Warns of `differences`, if one of them is new."""
        if not self._said.issuperset(differences):
            self._said.update(differences)
            LOGGER.warning(
                "goes on from rounds of another environment (%s); single picks may differ from those of one machine.",
                "; ".join(differences),
            )


def usable_cores() -> int:
    """The cores that this process may run on, which can be fewer than the machine has."""
    affinity = getattr(os, "sched_getaffinity", None)  # not on macOS and Windows
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text(errors="replace").splitlines() if path.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _gpu(tensorflow: Any, device: Any) -> str:
    return str(tensorflow.config.experimental.get_device_details(device).get("device_name", device.name))
