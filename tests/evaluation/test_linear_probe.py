import numpy as np
import pytest

from tfal.errors import InputError, TrainingError
from tfal.evaluation import linear_heads as module
from tfal.evaluation.linear_heads import linear_heads
from tfal.evaluation.linear_probe import linear_probes


def _task(n=300, d=12, n_classes=7, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, n_classes, n)
    return (rng.normal(size=(n_classes, d))[labels] + rng.normal(size=(n, d))).astype(np.float32), labels


def _softmax(logits):
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def _by_hand(features, labels, ids, n_classes, seed, epochs, batch, base=0.01):
    """One head in plain NumPy, float64: unit rows, Adam by its paper, a tenth at 50 and 75 percent."""
    x, y = features[ids].astype(np.float64), labels[ids]
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    d = x.shape[1]
    start = np.random.default_rng([seed, 0, 0]).uniform(-1 / np.sqrt(d), 1 / np.sqrt(d), (d + 1, n_classes))
    values = [start[:-1].copy(), start[-1].copy()]
    first, second, t = [0.0, 0.0], [0.0, 0.0], 0
    for epoch in range(epochs):
        rate = base * (0.01 if epoch >= 0.75 * epochs else 0.1 if epoch >= 0.5 * epochs else 1)
        order = np.random.default_rng([seed, 1, epoch]).permutation(len(ids))
        for rows in (order[i : i + batch] for i in range(0, len(ids), batch)):
            t += 1
            wrong = (_softmax(x[rows] @ values[0] + values[1]) - np.eye(n_classes)[y[rows]]) / len(rows)
            for i, g in enumerate((x[rows].T @ wrong, wrong.sum(axis=0))):
                first[i] = 0.9 * first[i] + 0.1 * g
                second[i] = 0.999 * second[i] + 0.001 * g**2
                step = first[i] / (1 - 0.9**t) / (np.sqrt(second[i] / (1 - 0.999**t)) + 1e-8)
                values[i] = values[i] - rate * step
    return values


@pytest.mark.parametrize("n", [5, 32, 33, 100])
def test_a_head_is_that_of_plain_numpy(n):
    """One batch, one full batch, a last batch of one row, and of four."""
    features, labels = _task()
    ids = np.random.default_rng(n).choice(300, n, replace=False)
    (found,) = linear_heads(features, labels, [ids], n_classes=7, seeds=[3], epochs=12, batch=32)
    kernel, bias = _by_hand(features, labels, ids, 7, 3, 12, 32)
    np.testing.assert_allclose(found.kernel, kernel, atol=5e-6)
    np.testing.assert_allclose(found.bias, bias, atol=5e-6)


def test_a_head_does_not_depend_on_its_company(monkeypatch):
    features, labels = _task()
    rng = np.random.default_rng(1)
    selections = [rng.choice(300, n, replace=False) for n in (1, 3, 4, 20, 25, 64, 70, 70, 100, 129)]
    seeds = list(range(10))
    options = {"n_classes": 7, "epochs": 15, "batch": 32}
    together = linear_heads(features, labels, selections, seeds=seeds, **options)
    monkeypatch.setattr(module, "_BYTES", 30000)  # a few at a time
    parts = linear_heads(features, labels, selections[::-1], seeds=seeds[::-1], **options)[::-1]
    for i, head in enumerate(together):
        (alone,) = linear_heads(features, labels, [selections[i]], seeds=[seeds[i]], **options)
        for other in (alone, parts[i]):
            np.testing.assert_allclose(head.kernel, other.kernel, atol=1e-6)
            np.testing.assert_allclose(head.bias, other.bias, atol=1e-6)


def test_equal_calls_give_equal_bits_and_other_seeds_do_not():
    features, labels = _task()
    selections = [np.arange(50), np.arange(50), np.arange(50)]
    first = linear_heads(features, labels, selections, n_classes=7, seeds=[0, 0, 1], epochs=3)
    again = linear_heads(features, labels, selections, n_classes=7, seeds=[0, 0, 1], epochs=3)
    assert all(np.array_equal(a.kernel, b.kernel) for a, b in zip(first, again, strict=True))
    np.testing.assert_allclose(first[0].kernel, first[1].kernel, atol=1e-6)
    assert not np.allclose(first[0].kernel, first[2].kernel, atol=1e-3)


def test_scores_are_those_of_the_heads():
    features, labels = _task()
    test, truth = _task(90, seed=5)
    selections, options = [np.arange(40), np.arange(40, 140)], {"n_classes": 7, "seeds": [0, 1], "epochs": 8}
    heads = linear_heads(features, labels, selections, **options)
    found = linear_probes(features, labels, selections, test, truth, **options)
    unit = test / np.linalg.norm(test, axis=1, keepdims=True)
    for head, scores in zip(heads, found, strict=True):
        best = np.argsort(-(unit @ head.kernel + head.bias), axis=1, kind="stable")
        assert scores.top1 == pytest.approx(np.mean(best[:, 0] == truth))
        assert scores.top5 == pytest.approx(np.mean((best[:, :5] == truth[:, None]).any(axis=1)))
        assert scores.top1 < scores.top5 < 1


def test_classes_may_be_missing_or_few():
    """Coverage says how many there are. Of fewer than five classes, the true one is among the first five."""
    features, labels = _task(n_classes=3)
    ids = np.flatnonzero(labels < 2)[:30]
    (found,) = linear_probes(features, labels, [ids], features, labels, n_classes=3, seeds=[0], epochs=5)
    assert found.coverage == pytest.approx(2 / 3)
    assert found.top5 == 1


def test_half_precision_memory_map_and_labels_of_selected_rows_only(tmp_path):
    features, labels = _task()
    np.save(tmp_path / "features.npy", features.astype(np.float16))
    mapped = np.load(tmp_path / "features.npy", mmap_mode="r")
    mapped_nan = features.astype(np.float16)
    mapped_nan[60:] = np.nan  # nobody reads these
    hidden = np.where(np.arange(300) < 60, labels, -1)
    options = {"n_classes": 7, "seeds": [0], "epochs": 4}
    (expected,) = linear_heads(mapped.astype(np.float32), labels, [np.arange(60)], **options)
    for source in (mapped, mapped_nan):
        (found,) = linear_heads(source, hidden, [np.arange(60)], **options)
        assert np.array_equal(found.kernel, expected.kernel)


def test_rows_are_scaled_to_length_1():
    """T11: (3, 4) -> (.6, .8); a row of zeros stays one, and only the bias sees it."""
    labels = np.array([0, 1, 1])
    options = {"n_classes": 2, "seeds": [0], "epochs": 5}
    (a,) = linear_heads(np.float32([[3, 4], [1, 0], [0, 0]]), labels, [np.arange(3)], **options)
    (b,) = linear_heads(np.float32([[0.6, 0.8], [7, 0], [0, 0]]), labels, [np.arange(3)], **options)
    np.testing.assert_allclose(a.kernel, b.kernel, atol=1e-6)
    rows = np.float32([[3, 4], [5, 0], [0, 2]])
    table, targets, places = module._table([module._Job(np.array([2, 0]), labels[[2, 0]], 0)], rows)
    np.testing.assert_allclose(table, [[0.6, 0.8, 1], [0, 1, 1], [0, 0, 0]], rtol=1e-6)
    assert (targets.tolist(), places[0].tolist()) == ([0, 1, 0], [1, 0])


def test_probes_read_digits(digits):
    """Raw pixels, 20 and 500 labels at random."""
    pixels, test = (images.reshape(len(images), -1).astype(np.float32) for images in (digits.x_train, digits.x_test))
    order = np.random.default_rng(0).permutation(len(pixels))
    selections = [order[:20], order[:500]]
    few, many = linear_probes(
        pixels, digits.y_train, selections, test, digits.y_test, n_classes=10, seeds=[0, 0], epochs=100
    )
    assert many.top1 > 0.9 > few.top1 > 0.4
    assert many.top5 > 0.98
    assert (few.coverage, many.coverage) == (len(np.unique(digits.y_train[order[:20]])) / 10, 1)


def test_no_selections_no_scores():
    features, labels = _task()
    assert linear_probes(features, labels, [], features, labels, n_classes=7, seeds=[]) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"selections": [np.array([], int)]}, r"selections\[0\]: expected at least one id"),
        ({"selections": [np.arange(3), np.array([1, 1])], "seeds": [0, 0]}, r"selections\[1\]: expected distinct ids"),
        ({"selections": [np.array([0, 300])]}, r"ids in 0..299, received 0..300"),
        ({"selections": [np.array([-1, 3])]}, r"received -1..3"),
        ({"selections": [np.array([True, False])]}, "flatnonzero"),
        ({"labels": np.full(300, 7)}, r"labels: expected classes in 0..6, received 7..7"),
        ({"labels": np.full(300, -1)}, r"received -1..-1"),
        ({"labels": np.zeros(299, int)}, r"labels: expected whole numbers of shape \(300,\)"),
        ({"test_labels": np.full(300, 9)}, r"test_labels: expected classes in 0..6"),
        ({"test_features": np.zeros((300, 5), np.float32)}, r"test_features: expected shape \(T, 12\)"),
        ({"features": np.full((300, 12), np.nan, np.float32)}, "features: expected finite values"),
        ({"features": np.zeros(300, np.float32)}, r"features: expected shape \(N, D\)"),
        ({"epochs": 0}, "epochs: expected an integer of at least 1, received 0"),
        ({"batch": 0}, "batch: expected an integer"),
        ({"n_classes": 1, "test_labels": np.zeros(300, int)}, "n_classes: expected at least 2"),
        ({"learning_rate": 0.0}, "learning_rate: expected a positive number"),
        ({"seeds": []}, "seeds: expected one for each of 1 selections, received 0"),
        ({"seeds": [-1]}, "seeds: expected whole numbers >= 0"),
    ],
)
def test_bad_input_is_refused(change, message):
    features, labels = _task()
    given = {"features": features, "labels": labels, "selections": [np.arange(5)], "test_features": features}
    given |= {"test_labels": labels, "n_classes": 7, "seeds": [0], "epochs": 2, **change}
    if "features" in change and change["features"].ndim == 1:
        given["test_features"] = features[:, :1].repeat(300, axis=1)
    with pytest.raises(InputError, match=message):
        linear_probes(**given)


def test_weights_that_are_no_numbers_are_an_error():
    features, labels = _task()
    with pytest.raises(TrainingError, match="linear head became NaN"):
        linear_heads(features, labels, [np.arange(20)], n_classes=7, seeds=[0], epochs=5, learning_rate=1e38)
