import numpy as np
import pytest

from tfal.errors import InputError
from tfal.pool import EXCLUDED, LABELED, UNLABELED, VALIDATION, Pool


@pytest.fixture
def pool():
    pool = Pool.unlabeled_pool(8)
    pool.label_samples(np.array([1, 3]), np.array([0, 1]), 0)
    pool.set_validation(np.array([0]), np.array([1]))
    pool.label_samples(np.array([7, 4]), np.array([1, 0]), 1)
    return pool


def test_states_labels_and_rounds(pool):
    assert pool.state.tolist() == [
        VALIDATION,
        LABELED,
        UNLABELED,
        LABELED,
        LABELED,
        UNLABELED,
        UNLABELED,
        LABELED,
    ]
    assert pool.label.tolist() == [1, 0, -1, 1, 0, -1, -1, 1]
    assert pool.round.tolist() == [-1, 0, -1, 0, 1, -1, -1, 1]
    assert pool.labeled.tolist() == [1, 3, 4, 7]
    assert pool.unlabeled.tolist() == [2, 5, 6]
    assert pool.validation.tolist() == [0]
    assert pool.rejected.tolist() == []
    assert pool.check() is None


def test_a_pool_of_some_members():
    some = Pool.unlabeled_pool(5, np.array([3, 0]))
    assert some.members.tolist() == some.unlabeled.tolist() == [0, 3]
    assert some.state.tolist() == [UNLABELED, EXCLUDED, EXCLUDED, UNLABELED, EXCLUDED]
    assert Pool.unlabeled_pool(5, np.arange(5)) == Pool.unlabeled_pool(5)


def test_unknown_classes_are_rejected_but_paid_for(pool):
    pool.exclude(np.array([5]))
    pool.label_samples(np.array([2, 6]), np.array([3, 1]), 2, n_known=2)
    assert pool.rejected.tolist() == [2]
    assert pool.labeled.tolist() == [1, 3, 4, 6, 7]
    assert pool.label[[2, 5]].tolist() == [3, -1]
    assert pool.n_bought == 6
    assert pool.members.tolist() == [0, 1, 2, 3, 4, 6, 7]
    assert pool.check() is None
    earlier = pool.back_to(1)
    assert earlier.rejected.tolist() == []
    assert earlier.unlabeled.tolist() == [2, 6]  # 5 stays out
    with pytest.raises(ValueError, match=r"already taken: \[5\]"):
        pool.label_samples(np.array([5]), np.array([0]), 3)
    with pytest.raises(ValueError, match=r"already taken: \[1\]"):
        pool.exclude(np.array([1]))


@pytest.mark.parametrize("taken", [0, 1, 4])
def test_a_sample_is_labeled_once(pool, taken):
    with pytest.raises(ValueError, match=f"already taken: \\[{taken}\\]"):
        pool.label_samples(np.array([2, taken]), np.array([0, 0]), 2)


def test_back_to_takes_later_rounds_back_and_keeps_validation(pool):
    earlier = pool.back_to(0)
    assert earlier.labeled.tolist() == [1, 3]
    assert earlier.validation.tolist() == [0]
    assert earlier.check() is None
    assert pool.back_to(1) == pool
    assert earlier != pool


def test_save_and_load_return_the_same_pool_and_the_same_bytes(pool, tmp_path):
    pool.save(tmp_path / "a.npz")
    pool.save(tmp_path / "b.npz")
    assert Pool.load(tmp_path / "a.npz") == pool
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.npz", "b.npz"]


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_a_truncated_file_is_refused(pool, tmp_path, share):
    path = tmp_path / "pool.npz"
    pool.save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(InputError, match=r"pool\.npz is damaged"):
        Pool.load(path)


def _state_out_of_range(pool):
    pool.state[2] = EXCLUDED + 1


def _label_without_state(pool):
    pool.label[2] = 1


def _round_without_state(pool):
    pool.round[2] = 1


def _wrong_dtype(pool):
    pool.state = pool.state.astype(np.int64)


def _wrong_length(pool):
    pool.label = pool.label[:-1]


@pytest.mark.parametrize(
    "spoil", [_state_out_of_range, _label_without_state, _round_without_state, _wrong_dtype, _wrong_length]
)
def test_a_pool_that_contradicts_itself_is_refused(pool, tmp_path, spoil):
    spoil(pool)
    pool.save(tmp_path / "pool.npz")
    with pytest.raises(InputError, match="was not written by tfal"):
        Pool.load(tmp_path / "pool.npz")


def test_a_foreign_file_is_refused(tmp_path):
    np.savez(tmp_path / "pool.npz", images=np.zeros(3))
    with pytest.raises(InputError, match="was not written by tfal"):
        Pool.load(tmp_path / "pool.npz")
