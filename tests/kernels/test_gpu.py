"""NumPy and CuPy must pick alike. Skipped where CuPy or a GPU is missing."""

import numpy as np
import pytest

from tfal.kernels import (
    activeft,
    alfamix,
    average_linkage,
    badge_nearest,
    badge_seeding,
    bait,
    bait_binary,
    bald,
    ball_coverage,
    batchbald,
    class_means,
    cluster_margin,
    cluster_ranking,
    confidence_log_odds,
    dcom,
    distinctive_scores,
    dropout_flips,
    dropquery,
    entropy,
    epig,
    falcun,
    farthest_first,
    hypotheses,
    in_turn,
    k_center_greedy,
    kmeans,
    kmeans_directions,
    ldm_seeding,
    least_confidence,
    least_disagree_metric,
    log_bald,
    log_entropy,
    log_mean_entropy,
    log_predictive_variance,
    margin,
    margin_log_odds,
    max_herding,
    max_logit,
    mean_entropy,
    mixing_thresholds,
    noise_deviations,
    noise_stability,
    power_top_n,
    predictive_variance,
    probcover,
    pure_radii,
    purity,
    purity_radius,
    quota_picks,
    ranked,
    representatives,
    round_robin,
    semantic_scores,
    top_n,
    typiclust,
    variation_ratio,
)

pytestmark = pytest.mark.gpu


def arrays(seed):
    rng = np.random.default_rng(seed)
    features = np.maximum(rng.normal(size=(300, 16)), 0).astype(np.float32)
    kernel = rng.normal(size=(16, 10)).astype(np.float32) / 3
    return features, kernel, np.zeros(10, np.float32), rng.permutation(300) / 300


def rows_agree(on_host, on_device):
    assert type(on_device) is np.ndarray
    np.testing.assert_array_equal(on_device, on_host)


@pytest.mark.parametrize(
    "score", [entropy, margin, least_confidence, max_logit, log_entropy, margin_log_odds, confidence_log_odds]
)
def test_scores(cupy, score):
    features, kernel, _, _ = arrays(0)
    on_device = score(cupy.asarray(features @ kernel))
    assert isinstance(on_device, cupy.ndarray)
    np.testing.assert_allclose(on_device.get(), score(features @ kernel), rtol=1e-12, atol=1e-14)


def test_top_n(cupy):
    scores = np.random.default_rng(0).integers(0, 20, size=100)
    rows_agree(top_n(scores, 30), top_n(cupy.asarray(scores), 30))
    drawn = [top_n(given, 30, rng=np.random.default_rng(1)) for given in (scores, cupy.asarray(scores))]
    rows_agree(*drawn)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("n", [30, 250])
def test_ldm_seeding(cupy, n, dtype):
    features, _, _, ldm = arrays(n)
    features = features.astype(dtype)
    on_host = ldm_seeding(ldm, features, n, rng=np.random.default_rng(n))
    rows_agree(on_host, ldm_seeding(cupy.asarray(ldm), cupy.asarray(features), n, rng=np.random.default_rng(n)))


def test_ldm_seeding_with_one_direction(cupy):
    ldm, features = np.arange(20) / 20, np.ones((20, 3))
    on_host = ldm_seeding(ldm, features, 10, rng=np.random.default_rng(0))
    rows_agree(on_host, ldm_seeding(cupy.asarray(ldm), cupy.asarray(features), 10, rng=np.random.default_rng(0)))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("n", [30, 300])
def test_badge_seeding(cupy, n, dtype):
    features, kernel, _, _ = arrays(n)
    features, logits = features.astype(dtype), features @ kernel
    on_host = badge_seeding(features, logits, n, rng=np.random.default_rng(n))
    rows_agree(on_host, badge_seeding(cupy.asarray(features), cupy.asarray(logits), n, rng=np.random.default_rng(n)))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("seed", range(3))
def test_k_center_greedy(cupy, seed, dtype):
    features = arrays(seed)[0].astype(dtype)
    f, c = cupy.asarray(features[20:]), cupy.asarray(features[:20])
    rows_agree(k_center_greedy(features[20:], 30, centers=features[:20]), k_center_greedy(f, 30, centers=c))
    rows_agree(k_center_greedy(features[20:], 30), k_center_greedy(f, 30))
    on_host = k_center_greedy(features[20:], 30, rng=np.random.default_rng(seed))
    rows_agree(on_host, k_center_greedy(f, 30, rng=np.random.default_rng(seed)))


def test_k_center_greedy_with_ties_and_duplicates(cupy):
    features = np.random.default_rng(0).integers(-3, 4, size=(1000, 2)).astype(np.float32)
    rows_agree(k_center_greedy(features, 1000), k_center_greedy(cupy.asarray(features), 1000))


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_k_center_greedy_over_several_rounds(cupy, dtype):
    # More rows than a GPU measures at a time, in strides of their own.
    features = np.random.default_rng(1).normal(size=(4000, 24)).astype(dtype)
    on_device = cupy.asarray(np.asfortranarray(features))[::-1]
    rows_agree(k_center_greedy(features[::-1], 700), k_center_greedy(on_device, 700))


@pytest.mark.parametrize("classes", [2, 10])
def test_least_disagree_metric_with_ties(cupy, classes, monkeypatch):
    # Inputs, weights and noise are small multiples of 1/8: no sum is rounded, many logits are equal.
    def drawn(noise, size):
        normals = noise.stream.standard_normal((size, noise.alive.size, classes), dtype=np.float32)
        normals = (np.rint(8 * noise.sigma * normals) / 8).transpose(0, 2, 1)[:, :, noise.alive]
        return normals[:, 1:] - normals[:, :1], 1.001 * hypotheses._largest_difference(normals)

    monkeypatch.setattr(hypotheses.Noise, "next", drawn)
    rng = np.random.default_rng(classes)
    shapes = (700, 6), (400, 6), (6, classes), classes
    case = [(rng.integers(-8, 9, shape) / 8).astype(np.float32) for shape in shapes]
    sigmas = 2.0 ** np.arange(-3, 1)
    on_host = least_disagree_metric(*case, rng=np.random.default_rng(0), sigmas=sigmas)
    on_device = least_disagree_metric(*map(cupy.asarray, case), rng=np.random.default_rng(0), sigmas=sigmas)
    np.testing.assert_array_equal(on_device.get(), on_host)
    assert len(np.unique(on_host)) > 2


@pytest.mark.parametrize("seed", range(2))
def test_least_disagree_metric(cupy, seed):
    features, kernel, bias, _ = arrays(seed)
    case = features[:150], features[150:], kernel, bias
    on_host = least_disagree_metric(*case, rng=np.random.default_rng(seed))
    on_device = least_disagree_metric(*map(cupy.asarray, case), rng=np.random.default_rng(seed))
    assert isinstance(on_device, cupy.ndarray)
    # The noise is the same; a matrix product that rounds otherwise may move a near-tie, and with it a count.
    assert np.mean(on_device.get() != on_host) < 0.05
    np.testing.assert_allclose(on_device.get(), on_host, atol=5 / 150)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("score", [purity, semantic_scores])
def test_nearness_to_labeled(cupy, score, dtype):
    features = arrays(0)[0].astype(dtype)
    features[[3, 200]] = 0
    on_device = score(cupy.asarray(features[:180]), cupy.asarray(features[180:]))
    assert isinstance(on_device, cupy.ndarray)
    # The steepness of 100 makes 50 times as much of what rounds otherwise.
    atol = 1e-6 if score is purity else 1e-4
    np.testing.assert_allclose(on_device.get(), score(features[:180], features[180:]), atol=atol)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_distinctive_scores_and_round_robin(cupy, dtype):
    rng = np.random.default_rng(0)
    candidates, labeled = (rng.normal(size=(n, 4, 16)).astype(dtype) for n in (300, 41))
    labels = np.append(np.arange(40) % 4, 5)  # one sample of class 5, none of class 4
    on_host = distinctive_scores(candidates, labeled, labels, 6)
    for given_labels in (labels, cupy.asarray(labels)):
        on_device = distinctive_scores(cupy.asarray(candidates), cupy.asarray(labeled), given_labels, 6)
        assert isinstance(on_device, cupy.ndarray)
        np.testing.assert_allclose(on_device.get(), on_host, atol=1e-5)
    rows_agree(round_robin(on_host, 100), round_robin(cupy.asarray(on_host), 100))


def test_power_top_n(cupy):
    scores = np.random.default_rng(0).random(100)
    on_host = power_top_n(scores, 30, rng=np.random.default_rng(1))
    rows_agree(on_host, power_top_n(cupy.asarray(scores), 30, rng=np.random.default_rng(1)))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_representatives_and_farthest_first(cupy, dtype):
    features = arrays(0)[0].astype(dtype)
    found = kmeans(features, 20, rng=np.random.default_rng(0), backend="array")
    eligible = np.arange(300) % 3 > 0
    on_host = representatives(features, found.centers, found.labels, eligible)
    on_device = cupy.asarray(features), cupy.asarray(found.centers), cupy.asarray(found.labels)
    rows_agree(on_host, representatives(*on_device, cupy.asarray(eligible)))
    rows_agree(farthest_first(features, 30, on_host), farthest_first(on_device[0], 30, cupy.asarray(on_host)))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("seed", range(2))
def test_dropquery(cupy, seed, dtype):
    features, kernel, bias, _ = (array.astype(dtype) for array in arrays(seed))
    flips = dropout_flips(features, kernel, bias, rng=np.random.default_rng(seed))
    on_device = [cupy.asarray(array) for array in (features, kernel, bias)]
    rows_agree(flips, cupy.asnumpy(dropout_flips(*on_device, rng=np.random.default_rng(seed))))
    for factor in (1, 25):
        given = {"n_pass": 3, "factor": factor}
        on_host = dropquery(flips, features, 8, rng=np.random.default_rng(seed), **given)
        rows_agree(on_host, dropquery(flips, on_device[0], 8, rng=np.random.default_rng(seed), **given))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("seed", range(2))
def test_alfamix(cupy, seed, dtype):
    features, kernel, bias, _ = (array.astype(dtype) for array in arrays(seed))
    on_device = [cupy.asarray(array) for array in (features, kernel, bias)]
    means = class_means(features[:40], np.arange(40) % 4), class_means(on_device[0][:40], np.arange(40) % 4)
    thresholds = [mixing_thresholds(features, kernel, bias, means[0]), mixing_thresholds(*on_device, means[1])]
    np.testing.assert_allclose(cupy.asnumpy(thresholds[1]), thresholds[0], rtol=1e-4)
    for eps in (0.2, None):
        on_host = alfamix(thresholds[0], features, 8, eps=eps, rng=np.random.default_rng(seed))
        rows_agree(on_host, alfamix(thresholds[0], on_device[0], 8, eps=eps, rng=np.random.default_rng(seed)))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_cluster_margin(cupy, dtype):
    features, scores = arrays(0)[0].astype(dtype), arrays(0)[3]
    on_host = average_linkage(features, n_linked=100, rng=np.random.default_rng(0))
    rows_agree(on_host, average_linkage(cupy.asarray(features), n_linked=100, rng=np.random.default_rng(0)))
    picks = cluster_margin(scores, on_host, 40, rng=np.random.default_rng(0))
    rows_agree(picks, cluster_margin(cupy.asarray(scores), on_host, 40, rng=np.random.default_rng(0)))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("seed", range(2))
def test_typiclust(cupy, seed, dtype):
    features, labeled = arrays(seed)[0].astype(dtype), np.arange(10)
    given = {"labeled": labeled, "backend": "array"}
    on_host = typiclust(features, 20, rng=np.random.default_rng(seed), **given)
    rows_agree(on_host, typiclust(cupy.asarray(features), 20, rng=np.random.default_rng(seed), **given))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("seed", range(2))
def test_covering(cupy, seed, dtype):
    features, labeled = arrays(seed)[0].astype(dtype), np.arange(10)
    on_device = cupy.asarray(features)
    rows_agree(
        probcover(features, 30, delta=2.5, labeled=labeled), probcover(on_device, 30, delta=2.5, labeled=labeled)
    )
    weights = np.random.default_rng(seed).random(300)
    for given in ({}, {"labeled": labeled}, {"n_anchor": 100}):
        on_host = max_herding(features, 40, sigma=2.0, weights=weights, rng=np.random.default_rng(0), **given)
        given |= {"weights": cupy.asarray(weights), "rng": np.random.default_rng(0)}
        rows_agree(on_host, max_herding(on_device, 40, sigma=2.0, **given))
    for given in ({}, {"n_train": 150}):
        radius = [
            purity_radius(f, 5, rng=np.random.default_rng(0), backend="array", **given) for f in (features, on_device)
        ]
        assert radius[1] == pytest.approx(radius[0], rel=1e-5)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize(
    "score",
    [mean_entropy, bald, variation_ratio, predictive_variance, log_mean_entropy, log_bald, log_predictive_variance],
)
def test_scores_of_passes(cupy, score, dtype):
    mc_logits = np.random.default_rng(0).normal(size=(300, 8, 10)).astype(dtype)
    on_device = score(cupy.asarray(mc_logits))
    assert isinstance(on_device, cupy.ndarray)
    np.testing.assert_allclose(on_device.get(), score(mc_logits), rtol=1e-11, atol=1e-13)


def test_batchbald(cupy):
    mc_logits = np.random.default_rng(0).normal(size=(300, 8, 5))
    # 3125 configurations are all; of 2000, rounding may give others.
    on_host = batchbald(mc_logits, 6, rng=np.random.default_rng(0))
    rows_agree(on_host, batchbald(cupy.asarray(mc_logits), 6, rng=np.random.default_rng(0)))
    sampled = batchbald(cupy.asarray(mc_logits), 20, rng=np.random.default_rng(0), n_joint=2000)
    assert sampled[:5].tolist() == on_host[:5].tolist()
    assert len(set(sampled.tolist())) == 20


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_bait(cupy, dtype):
    features, kernel, _, _ = arrays(0)
    features, logits = features.astype(dtype), features @ kernel
    f, z = cupy.asarray(features), cupy.asarray(logits)
    rows_agree(bait(features, logits, 20), bait(f, z, 20))
    on_host = bait(features[50:], logits[50:], 20, labeled=(features[:50], logits[:50]))
    rows_agree(on_host, bait(f[50:], z[50:], 20, labeled=(f[:50], z[:50])))


@pytest.mark.parametrize("gamma", [10.0, 1.0])
def test_falcun(cupy, gamma):
    features, kernel, _, _ = arrays(3)
    logits = features @ kernel
    on_host = falcun(logits, 30, gamma=gamma, rng=np.random.default_rng(0))
    rows_agree(on_host, falcun(cupy.asarray(logits), 30, gamma=gamma, rng=np.random.default_rng(0)))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_activeft(cupy, dtype):
    features = (arrays(4)[0] + 0.1).astype(dtype)
    on_host = activeft(features, 20, rng=np.random.default_rng(0), n_iter=20)
    rows_agree(on_host, activeft(cupy.asarray(features), 20, rng=np.random.default_rng(0), n_iter=20))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_bait_binary(cupy, dtype):
    features, kernel, bias, _ = arrays(2)
    features, logits = features.astype(dtype), (features @ kernel + bias).astype(dtype)
    on_device = cupy.asarray(features), cupy.asarray(logits)
    for weights in ("published", "counts"):
        on_host = bait_binary(features, logits, 20, labeled=(features[:9], logits[:9]), weights=weights)
        known = on_device[0][:9], on_device[1][:9]
        rows_agree(on_host, bait_binary(*on_device, 20, labeled=known, weights=weights))


def test_quotas(cupy):
    rng = np.random.default_rng(0)
    clusters, scores = rng.integers(0, 7, 100), rng.random(100)
    on_device = cupy.asarray(clusters)
    rows_agree(in_turn(clusters), in_turn(on_device))
    rows_agree(ranked(scores), ranked(cupy.asarray(scores)))
    rows_agree(cluster_ranking(scores, clusters, 30), cluster_ranking(cupy.asarray(scores), on_device, 30))
    on_host = quota_picks(clusters, 30, rng=np.random.default_rng(1))
    rows_agree(on_host, quota_picks(on_device, 30, rng=np.random.default_rng(1)))


def test_a_mix_of_host_and_device_is_refused(cupy):
    features = arrays(0)[0]
    with pytest.raises(TypeError, match="all be CuPy or all be NumPy"):
        k_center_greedy(features, 3, centers=cupy.asarray(features))


def test_noise_stability(cupy):
    features, kernel, _, _ = arrays(0)
    logits = features @ kernel
    noisy = logits[:, None] + np.random.default_rng(1).normal(size=(300, 4, 10)).astype(np.float32) / 10
    moved, on_device = noise_deviations(logits, noisy), noise_deviations(cupy.asarray(logits), cupy.asarray(noisy))
    np.testing.assert_allclose(on_device.get(), moved, rtol=1e-4, atol=1e-6)
    rows_agree(noise_stability(moved, 30), noise_stability(cupy.asarray(moved), 30))


def test_epig(cupy):
    passes = np.random.default_rng(2).normal(size=(300, 5, 4)).astype(np.float32)
    on_device = epig(cupy.asarray(passes), cupy.asarray(passes[:40]))
    np.testing.assert_allclose(on_device.get(), epig(passes, passes[:40]), rtol=1e-9, atol=1e-14)


def test_dcom(cupy):
    features, _, _, doubt = arrays(0)
    labeled, radii, classes = np.arange(0, 300, 60), np.linspace(0.5, 3, 5), np.arange(300) % 3
    covered = ball_coverage(features, labeled, radii)
    assert ball_coverage(cupy.asarray(features), labeled, radii).get().tolist() == covered.tolist()
    options = {"least": 0.5, "most": 4.0}
    rows_agree(
        pure_radii(features, labeled, classes, **options),
        pure_radii(cupy.asarray(features), labeled, classes, **options),
    )
    options = {"delta": 2.5, "uncertainty": doubt, "skill": 0.4, "labeled": labeled, "radii": radii}
    rows_agree(dcom(features, 20, **options), dcom(cupy.asarray(features), 20, **options))


def test_nearest_picks_and_directions(cupy):
    features, kernel, _, _ = arrays(3)
    logits, picks = features @ kernel, np.arange(5, 300, 20)
    on_device = cupy.asarray(features), cupy.asarray(logits)
    rows_agree(badge_nearest(features, logits, picks), badge_nearest(*on_device, picks))
    for among in (None, np.arange(0, 300, 3)):
        found = [
            kmeans_directions(given, 10, among=among, rng=np.random.default_rng(0))
            for given in (features, on_device[0])
        ]
        rows_agree(*found)
