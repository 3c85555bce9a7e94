"""Seconds and peak memory of a call, and what the machine itself can do."""

from __future__ import annotations

import ctypes
import gc
import os
import platform
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

LONG, LONG_ON_GPU = 10.0, 2.0  # a first call of so many seconds is not repeated
REPEATS = 7
WATCHED = 0.3  # seconds of first calls, so that the samples of the memory catch the peak of a short one
_STATUS = Path("/proc/self/status")
_PACKAGES = (
    "numpy",
    "scipy",
    "scikit-learn",
    "faiss-cpu",
    "faiss-gpu",
    "scikit-activeml",
    "submodlib-py",
)


class Measured(NamedTuple):
    """A call: seconds (median after a first call, or the first when that is long), peak memory, what it returned."""

    seconds: float
    peak_mb: float  # beyond what the process held before; NaN where it cannot be read
    answer: Any


def measure(
    works: dict[str, Callable[[], Any]], xp: Any = np, repeats: int = REPEATS, compiled: bool = False
) -> dict[str, Measured]:
    """Measure several calls in turn, so that a disturbance hits all of them. Memory is that of the first calls.

    On a GPU a call before them is not measured: it compiles kernels, unless they are `compiled` already.
    """
    first = {}
    for name, work in works.items():
        if xp is not np and not compiled:
            _timed(work, xp)
        with _peak(xp) as peak_mb:
            start = time.perf_counter()
            seconds, answer = _timed(work, xp)
            while xp is np and time.perf_counter() - start < WATCHED:
                work()
        first[name] = Measured(seconds, peak_mb[0], answer)
    times: dict[str, list[float]] = {name: [] for name in works}
    long = LONG if xp is np else LONG_ON_GPU
    for _ in range(repeats):
        for name, work in works.items():
            if first[name].seconds < long:
                times[name].append(_timed(work, xp)[0])
    return {
        name: given._replace(seconds=float(np.median(times[name] or [given.seconds]))) for name, given in first.items()
    }


def _timed(work: Callable[[], Any], xp: Any) -> tuple[float, Any]:
    start = time.perf_counter()
    answer = work()
    if xp is not np:
        xp.cuda.Device().synchronize()
    return time.perf_counter() - start, answer


@contextmanager
def _peak(xp: Any) -> Iterator[list[float]]:
    """A list that afterwards holds the peak memory in MB: on the host, or in CuPy's pool, beyond that before."""
    found = [float("nan")]
    if xp is not np:
        pool = xp.get_default_memory_pool()
        pool.free_all_blocks()
        before = pool.used_bytes()
        yield found
        found[0] = (pool.total_bytes() - before) / 1e6  # the pool returns no block before it is told to
    elif not _STATUS.exists():
        yield found
    else:
        gc.collect()
        with Sampler() as sampler:
            yield found
        found[0] = sampler.peak_mb


class Sampler:
    """A thread that reads how much anonymous memory the process has: pages of memory-mapped files do not count."""

    def __enter__(self) -> Sampler:
        if sys.platform == "linux" and platform.libc_ver()[0] == "glibc":
            ctypes.CDLL("libc.so.6").malloc_trim(0)  # what is free already must not hide what is taken now
        self._before = self._highest = _anonymous_kb()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(0.001):
            self._highest = max(self._highest, _anonymous_kb())

    @property
    def peak_mb(self) -> float:
        """The highest reading beyond the first, in MB."""
        return (self._highest - self._before) * 1024 / 1e6


def _anonymous_kb() -> int:
    for line in _STATUS.read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1])
    raise OSError("no RssAnon in /proc/self/status: Linux 4.5 or later is needed")


def copy_bandwidth(n_bytes: int = 1 << 29, xp: Any = np) -> float:
    """Bytes read and written a second when all cores copy, or the GPU, the best of 5."""
    if xp is not np:
        array = xp.ones(n_bytes // 4, np.float32)
        return 2 * float(array.nbytes) / min(_timed(array.copy, xp)[0] for _ in range(6))
    source, target = np.ones(n_bytes // 4, np.float32), np.empty(n_bytes // 4, np.float32)
    cores = os.cpu_count() or 1
    parts = list(zip(np.array_split(source, cores), np.array_split(target, cores), strict=True))
    with ThreadPoolExecutor(cores) as executor:
        seconds = [
            _timed(lambda: list(executor.map(lambda part: np.copyto(part[1], part[0]), parts)), np)[0] for _ in range(5)
        ]
    return 2 * source.nbytes / min(seconds)


def matmul_rate(size: int = 2048, xp: Any = np) -> float:
    """float32 operations a second of a matrix product, the best of 5."""
    a = xp.asarray(np.random.default_rng(0).random((size, size), dtype=np.float32))
    return 2 * size**3 / min(_timed(lambda: a @ a, xp)[0] for _ in range(6))


def machine(xp: Any = np) -> str:
    """One line: processor, cores, memory, versions; with CuPy the GPU, too."""
    cpu = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        names = [
            s.partition(":")[2].strip() for s in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in s
        ]
        cpu = names[0] if names else cpu
    memory = (
        os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30 if hasattr(os, "sysconf") else float("nan")
    )
    versions = ", ".join(f"{name} {version}" for name in _PACKAGES if (version := _version(name)))
    if xp is not np:
        name = xp.cuda.runtime.getDeviceProperties(xp.cuda.Device().id)["name"].decode()
        cpu, versions = f"{name}; {cpu}", f"{versions}, cupy {xp.__version__}"
    return f"{cpu}, {os.cpu_count()} cores, {memory:.0f} GiB; Python {platform.python_version()}, {versions}"


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""
