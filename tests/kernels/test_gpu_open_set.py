"""The kernels for open sets and long tails on NumPy and CuPy. Skipped where CuPy or a GPU is missing."""

import numpy as np
import pytest

from tfal.kernels import (
    balanced_entropy,
    balanced_k_center,
    class_order,
    direct,
    eaoa,
    energy_uncertainty,
    eoal,
    eoal_scores,
    finch,
    galaxy,
    lfosa,
    lfosa_scores,
    neat,
    neat_scores,
    reverse_neighbor_votes,
)

pytestmark = pytest.mark.gpu


@pytest.fixture
def case():
    """Features and logits of 300 candidates, features and classes of 40 bought samples, some of them rejected."""
    rng = np.random.default_rng(0)
    features, bought = (rng.normal(size=(n, 16)).astype(np.float32) for n in (300, 40))
    return features, 2 * rng.normal(size=(300, 5)).astype(np.float32), bought, rng.integers(-1, 4, 40)


def rows_agree(on_host, on_device):
    assert type(on_device) is np.ndarray
    np.testing.assert_array_equal(on_device, on_host)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_neat(cupy, case, dtype):
    features, logits, bought = (part.astype(dtype) for part in case[:3])
    on_device = cupy.asarray(features), cupy.asarray(logits), cupy.asarray(bought)
    host, device = neat_scores(features, logits, bought, case[3]), neat_scores(*on_device, case[3])
    rows_agree(host.n_known, device.n_known.get())
    np.testing.assert_allclose(device.inconsistency.get(), host.inconsistency, rtol=1e-9)
    draws = [np.random.default_rng(1) for _ in range(2)]
    rows_agree(
        neat(features, logits, bought, case[3], 30, rng=draws[0]),
        neat(*on_device, cupy.asarray(case[3]), 30, rng=draws[1]),
    )


def test_lfosa(cupy, case):
    host, device = lfosa_scores(case[1]), lfosa_scores(cupy.asarray(case[1]))
    np.testing.assert_allclose(device.log_odds.get(), host.log_odds, rtol=1e-6, atol=1e-9)
    rows_agree(lfosa(case[1], 40), lfosa(cupy.asarray(case[1]), 40))


def test_eaoa(cupy, case):
    features, logits, bought, labels = case
    votes = reverse_neighbor_votes(features, bought, labels, 4, k=20)
    on_device = reverse_neighbor_votes(cupy.asarray(features), cupy.asarray(bought), labels, 4, k=20)
    np.testing.assert_allclose(on_device.get(), votes, rtol=1e-6)
    energies = energy_uncertainty(logits), energy_uncertainty(cupy.asarray(logits))
    np.testing.assert_allclose(energies[1].get(), energies[0], rtol=1e-12, atol=1e-12)
    detector = cupy.asarray(logits)
    rows_agree(eaoa(logits, votes, logits[:, :4], 40), eaoa(detector, on_device, detector[:, :4], 40))


@pytest.mark.parametrize("known", [np.ones(300, bool), np.arange(300) % 3 > 0, np.arange(300) < 30])
def test_eoal(cupy, case, known):
    features, heads, _, _ = case
    binary, distances = np.stack([-heads, heads], axis=2), abs(heads)
    for given in (None, distances):
        host = eoal_scores(binary, given)
        device = eoal_scores(cupy.asarray(binary), None if given is None else cupy.asarray(given))
        np.testing.assert_allclose(device.get(), host, rtol=1e-9, atol=1e-12)
    on_device = cupy.asarray(host), cupy.asarray(features)
    for where in (known, cupy.asarray(known)):
        rows_agree(eoal(host, known, features, 40), eoal(on_device[0], where, on_device[1], 40))
    rows_agree(finch(features, 20), finch(on_device[1], 20))


@pytest.mark.parametrize("kernel", [galaxy, direct])
def test_labels_within_a_query(cupy, case, kernel):
    truth, labels = np.random.default_rng(1).integers(-1, 5, 300), np.full(300, -2)
    labels[:30] = truth[:30]
    for k in range(5):
        rows_agree(class_order(case[1], k), class_order(cupy.asarray(case[1]), k))
    found = [
        kernel(logits, labels, 60, ask=lambda rows: truth[rows], rng=np.random.default_rng(2))
        for logits in (case[1], cupy.asarray(case[1]))
    ]
    rows_agree(*found)


def test_class_balanced(cupy, case):
    features, logits, bought, _ = case
    given = {"needs": np.arange(5.0)}
    rows_agree(balanced_entropy(logits, 20, **given), balanced_entropy(cupy.asarray(logits), 20, **given))
    on_device = cupy.asarray(features), cupy.asarray(logits)
    on_host = balanced_k_center(features, logits, 20, centers=bought, **given)
    rows_agree(on_host, balanced_k_center(*on_device, 20, centers=cupy.asarray(bought), **given))
