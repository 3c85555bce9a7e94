import numpy as np
import pytest
import tensorflow as tf

from tfal.learners.loss_prediction import ranking_loss


def by_hand(scores, targets, ties):
    terms, n = [], len(scores)
    for i in range(n // 2):
        sign = 1 if targets[i] > targets[n - 1 - i] else -1
        if ties == "code" or targets[i] != targets[n - 1 - i]:
            terms.append(max(0.0, 1 - sign * (scores[i] - scores[n - 1 - i])))
    return sum(terms) / len(terms) if terms else 0.0


@pytest.mark.parametrize(
    ("scores", "targets", "ties", "expected"),
    [
        ([0.2, 0.9, 0.5, 0.1], [1, 0, 0, 2], "code", 1.25),  # 1.1 and 1.4
        ([0.2, 0.9, 0.5, 0.1], [1, 0, 0, 2], "mask", 1.1),
        ([0.2, 9.0, 0.1], [2, 5, 1], "mask", 0.9),  # the middle one is left out
        ([3.0, 1.0], [2, 1], "mask", 0.0),  # a gap of more than the margin
        ([0.3], [1], "mask", 0.0),
        ([0.3], [1], "code", 0.0),
        ([0.3, 0.7], [1, 1], "mask", 0.0),
        ([0.3, 0.7], [1, 1], "code", 0.6),
    ],
)
def test_ranking_loss_by_hand(scores, targets, ties, expected):
    found = ranking_loss(np.array(scores, np.float32), np.array(targets, np.float32), ties)
    assert found.dtype == tf.float32
    assert float(found) == pytest.approx(expected, abs=1e-6)
    assert by_hand(scores, targets, ties) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("ties", ["mask", "code"])
@pytest.mark.parametrize("n", [2, 7, 32, 33])
def test_ranking_loss_agrees_with_a_loop_inside_a_graph(n, ties):
    rng = np.random.default_rng(n)
    scores, targets = rng.normal(size=n).astype(np.float32), rng.integers(0, 3, n).astype(np.float32)
    signature = [tf.TensorSpec([None]), tf.TensorSpec([None])]
    graph = tf.function(lambda s, t: ranking_loss(s, t, ties), input_signature=signature)
    assert float(graph(scores, targets)) == pytest.approx(by_hand(scores, targets, ties), rel=1e-5)


def test_ranking_loss_moves_the_scores_alone():
    scores, targets = tf.Variable([0.2, 0.9, 5.0, 0.5, 0.1]), tf.Variable([1.0, 0.0, 9.0, 0.0, 2.0])
    with tf.GradientTape() as tape:
        loss = ranking_loss(scores, targets)
    of_scores, of_targets = tape.gradient(loss, [scores, targets])
    assert of_scores.numpy().tolist() == [1, 0, 0, 0, -1]
    assert of_targets is None
