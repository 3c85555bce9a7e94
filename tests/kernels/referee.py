"""Slow and obvious versions of the kernels; the tests hold the fast ones against them."""

import numpy as np


def least_disagree_metric(features, mc_features, kernel, bias, rng, sigmas, patience, change_noise=lambda z: z):
    """One hypothesis at a time. Returns ldm and how many hypotheses it took."""
    f, s, w, b = (np.asarray(a, np.float32) for a in (features, mc_features, kernel, bias))
    root = int(rng.integers(2**63))
    base, base_mc = f @ w + b, s @ w + b
    labels, mc_labels = base.argmax(axis=1), base_mc.argmax(axis=1)
    ldm = np.ones(len(f))
    consumed = 0
    for index, sigma in enumerate(sigmas):
        stream = np.random.default_rng([root, index])
        quiet = 0
        while quiet < patience:
            noise = np.float32(sigma) * change_noise(stream.standard_normal((len(w) + 1, len(b)), dtype=np.float32))
            flips = (base + (f @ noise[:-1] + noise[-1])).argmax(axis=1) != labels
            rho = np.mean((base_mc + (s @ noise[:-1] + noise[-1])).argmax(axis=1) != mc_labels)
            candidate = np.where(flips, rho, 1.0)
            quiet = 0 if np.any(candidate < ldm) else quiet + 1
            ldm = np.minimum(ldm, candidate)
            consumed += 1
    return ldm, consumed


def ldm_gamma(ldm, n):
    """The weights of section 3.1, in sorted order, by the formula."""
    ldm = np.sort(ldm)
    level = ldm[n] if ldm[n] > 0 else ldm[ldm > 0].min()
    gamma = np.exp(-np.maximum(ldm - level, 0) / level)
    gamma[n:] *= n / gamma[n:].sum()
    return np.minimum(gamma, 1)


def cosine_distances(features):
    """The n x n matrix; a row of zeros is at distance 1 from every other row."""
    f = np.asarray(features, np.float64)
    norms = np.linalg.norm(f, axis=1, keepdims=True)
    unit = f / np.where(norms > 0, norms, 1)
    distances = np.clip(1 - unit @ unit.T, 0, 2)
    distances[distances < 1e-5] = 0
    np.fill_diagonal(distances, 0)
    return distances


def spread(distances, gamma, first, uniforms):
    """`first` and one draw for each of the uniforms, with explicit probabilities from the distance matrix."""
    picks = [first]
    for u in uniforms:
        p = probabilities(distances, gamma, picks)
        picks.append(np.searchsorted(np.cumsum(p), u, side="right"))
    return np.array(picks)


def probabilities(distances, gamma, picks):
    """Of every row to be the next pick: (gamma * D)**2 normalised, or gamma of the free rows when D is 0."""
    weights = (gamma * distances[:, picks].min(axis=1)) ** 2
    if weights.sum() == 0:
        weights = np.array(gamma, float)
        weights[picks] = 0
    return weights / weights.sum()


def sequences(distances, gamma, first, n):
    """Every possible sequence of n picks that starts with `first`, and its probability."""
    found = {(first,): 1.0}
    for _ in range(n - 1):
        found = {
            (*picks, int(row)): p * next_p[row]
            for picks, p in found.items()
            for next_p in [probabilities(distances, gamma, list(picks))]
            for row in np.flatnonzero(next_p)
        }
    return found


def ldm_seeding(ldm, features, uniforms):
    """One pick more than uniforms."""
    order = np.argsort(ldm, kind="stable")
    return order[spread(cosine_distances(features[order]), ldm_gamma(ldm, len(uniforms) + 1), 0, uniforms)]


def badge_embedding(features, logits):
    """(n, C * d): softmax minus one-hot, times the features."""
    z = np.asarray(logits, np.float64)
    p = np.exp(z - z.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    p[np.arange(len(p)), z.argmax(axis=1)] -= 1
    return (p[:, :, None] * np.asarray(features, np.float64)[:, None, :]).reshape(len(p), -1)


def badge_distances(features, logits):
    """The n x n matrix of Euclidean distances of the full embeddings."""
    g = badge_embedding(features, logits)
    return np.linalg.norm(g[:, None] - g, axis=2)


def badge_seeding(features, logits, uniforms):
    """k-means++ on the full embedding; one pick more than uniforms."""
    first = np.linalg.norm(badge_embedding(features, logits), axis=1).argmax()
    return spread(badge_distances(features, logits), np.ones(len(features)), first, uniforms)


def k_center_greedy(features, n, centers, picked=()):
    """`picked` and n more rows by the definition, in float64, all distances anew for every pick."""
    f, c = np.asarray(features, np.float64), np.asarray(centers, np.float64)
    picks = list(picked)
    for _ in range(n):
        distances = np.linalg.norm(f[:, None] - c[None], axis=2).min(axis=1)
        distances[picks] = -1
        picks.append(int(distances.argmax()))
        c = np.vstack([c, f[picks[-1]]])
    return picks
