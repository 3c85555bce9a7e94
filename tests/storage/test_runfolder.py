import contextlib
import dataclasses
import json
import multiprocessing

import numpy as np
import pytest

from tfal.errors import InputError
from tfal.pool import Pool
from tfal.storage.runfolder import RunFolder


@pytest.fixture
def pool():
    pool = Pool.unlabeled_pool(60)
    pool.label_samples(np.arange(20), np.arange(20) % 10, 0)
    return pool


@pytest.fixture
def folder(small):
    return RunFolder(small, 1, "print")


def _row(round, labels, accuracy=0.5):
    return {"round": round, "labels": labels, "test_accuracy": accuracy, "seconds_train": 1.25}


def _commit(folder, pool, rounds):
    """Commits rounds as the loop does: the pool is labeled first. Returns the rows."""
    rows = []
    with folder.locked():
        folder.start()
        for step in range(rounds):
            rows.append(_row(step, len(pool.labeled), 0.1 * step))
            ids = pool.unlabeled[:5]
            pool.label_samples(ids, ids % 10, step + 1)
            folder.commit(pool, rows, True, {"w": np.array([step + 1.0])})
    return rows


def test_what_is_committed_is_read_again(folder, pool, small):
    start = pool.back_to(0)
    rows = _commit(folder, pool, 3)
    again = RunFolder(small, 1, "print")
    assert again.rows() == rows
    assert again.pool(start, rows) == pool
    assert (folder.strategy / "test_accs_001.txt").read_text() == "0.00000\n0.10000\n0.20000\n"
    assert (folder.experiment / "test_accs_001.txt").read_text() == "0.00000\n0.10000\n0.20000\n"
    assert folder.path.name == "rep001"
    assert folder.experiment.name == "digits_MLP"


def test_what_a_strategy_keeps_belongs_to_the_next_round(folder, pool):
    _commit(folder, pool, 2)
    assert folder.memory(0) == {}
    assert folder.memory(1)["w"].tolist() == [1.0]
    assert folder.memory(2)["w"].tolist() == [2.0]
    path = folder.path / "memory" / "round002.npz"
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(InputError, match=r"round002\.npz is damaged"):
        folder.memory(2)


def test_a_strategy_that_keeps_nothing_writes_nothing(folder, pool):
    with folder.locked():
        folder.start()
        folder.commit(pool, [_row(0, 20)], False, {})
    assert not (folder.path / "memory").exists()


def test_a_recipe_stored_before_an_option_existed_has_its_default(folder, pool, small, change):
    _commit(folder, pool, 1)
    path = folder.path / "recipe.json"
    stored = json.loads(path.read_text())
    del stored["recipe"]["weight_decay"]
    path.write_text(json.dumps(stored))
    assert folder.rows()
    with pytest.raises(InputError, match=r"weightDecay: 0.0 there, 0.5 here"):
        RunFolder(change(small, weight_decay=0.5), 1, "print").rows()


def test_variants_of_a_data_set_have_folders_of_their_own(small, change):
    def name(**options):
        return RunFolder(change(small, **options), 1, "print").experiment.name

    assert name(n_class_known=4, ood_rate=0.6) == "digits-4known-ood60_MLP"
    assert name(n_class_known=4, ood_rate=0.125, trial=2) == "digits-4known-ood12.5-trial2_MLP"
    assert name(known_classes="3, 5", ood_rate=0.6) == "digits-known3.5-ood60_MLP"
    assert name(ood_dataset="mine", ood_rate=0.5) == "digits+mine-ood50_MLP"


def test_a_pool_written_without_its_row_is_taken_back(folder, pool):
    start = pool.back_to(0)
    rows = _commit(folder, pool, 2)
    committed = pool.back_to(2)
    pool.label_samples(np.array([58]), np.array([3]), 3)
    pool.save(folder.path / "pool.npz")  # and then the process is killed, before the row
    assert folder.pool(start, rows) == committed


def test_another_recipe_is_refused_with_the_differing_fields(folder, pool, small, change):
    _commit(folder, pool, 1)
    other = change(small, n_query=7, seed=3)
    with pytest.raises(InputError, match=r"nQuery: 15 there, 7 here; seed: 0 there, 3 here"):
        RunFolder(other, 1, "print").rows()
    with pytest.raises(InputError, match="data: 'print' there, 'other' here"):
        RunFolder(small, 1, "other").rows()
    assert RunFolder(change(small, n_rep=9, data_dir="elsewhere"), 1, "print").rows()


def test_a_pool_of_another_run_is_refused(folder, pool):
    start = pool.back_to(0)
    rows = _commit(folder, pool, 2)
    path = folder.path / "pool.npz"
    other = Pool.unlabeled_pool(60)
    other.label_samples(np.arange(1, 21), np.zeros(20, int), 0)
    for foreign in (other, Pool.unlabeled_pool(61), start):
        foreign.save(path)
        with pytest.raises(InputError, match="does not hold the pool of this data set"):
            folder.pool(start, rows)
    path.unlink()
    with pytest.raises(InputError, match=r"pool\.npz is missing"):
        folder.pool(start, rows)


def test_labels_that_are_not_those_of_the_data_set_are_refused(folder, pool):
    start, labels = pool.back_to(0), np.arange(60) % 10
    rows = _commit(folder, pool, 2)
    assert folder.pool(start, rows, labels, 10) == pool
    other = labels.copy()
    other[[3, 22]] = 7
    with pytest.raises(InputError, match=r"other labels than the data set, such as of ids \[3, 22\]"):
        folder.pool(start, rows, other, 10)
    with pytest.raises(InputError, match="other labels than the data set"):
        folder.pool(start, rows, labels, 9)  # class 9 is unknown, and should have been rejected


def test_rounds_of_other_sizes_are_refused(folder, pool):
    start = pool.back_to(0)
    rows = _commit(folder, pool, 3)
    rows[1]["labels"] = 24
    with pytest.raises(InputError, match=r"does not hold the pool .* rows of rounds\.csv"):
        folder.pool(start, rows)


def test_rows_are_written_in_one_form_however_often_they_are_read(folder, pool):
    rows = _commit(folder, pool, 2)
    path = folder.path / "rounds.csv"
    text = path.read_bytes()
    assert text == b"round,labels,test_accuracy,seconds_train\n0,20,0.0,1.25\n1,25,0.1,1.25\n"
    for _ in range(2):
        folder.write_rows(folder.rows())
    assert path.read_bytes() == text
    folder.write_rows([{name: np.array([value])[0] for name, value in row.items()} for row in rows])
    assert path.read_bytes() == text


def test_tables_of_other_versions_are_read(folder, pool):
    _commit(folder, pool, 1)
    path = folder.path / "rounds.csv"
    path.write_bytes(b"\xef\xbb\xbfround,labels,test_accuracy,extra\r\n0.0,20.0,0.5,\r\n1,25,1.0,nan\r\n")
    rows = folder.rows()
    assert rows[0] == {"round": 0, "labels": 20, "test_accuracy": 0.5}
    assert np.isnan(rows[1]["extra"])
    folder.write_rows([*rows, {"round": 2, "labels": 30, "test_accuracy": 0.25, "new": 1}])
    lines = path.read_text().splitlines()
    assert lines[0] == "round,labels,test_accuracy,extra,new"
    assert lines[1:] == ["0,20,0.5,,", "1,25,1.0,nan,", "2,30,0.25,,1"]
    assert [len(row) for row in folder.rows()] == [3, 4, 4]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("recipe.json", "hello"),
        ("recipe.json", "{}"),
        ("recipe.json", "[" * 100_000),
        ("rounds.csv", ""),
        ("rounds.csv", "hello"),
        ("rounds.csv", "round,test_accuracy\n0,0.5\n"),
        ("rounds.csv", "round,labels,test_accuracy\n0,20,0.5,7\n"),
        ("rounds.csv", "round,labels,test_accuracy\n0,20,\n"),
        ("rounds.csv", "round,labels,test_accuracy\n0,20,nan\n"),
        ("rounds.csv", "round,labels,test_accuracy\n0,20,50\n"),
        ("rounds.csv", "round,labels,test_accuracy\n0,20.5,0.5\n"),
        ("rounds.csv", "round,labels,test_accuracy\n0,inf,0.5\n"),
        ("rounds.csv", "round,labels,test_accuracy\n0,20,0.5\n1,15,0.5\n"),
        ("rounds.csv", "round,labels,labels,test_accuracy\n0,20,20,0.5\n"),
        ("rounds.csv", 'round,labels,test_accuracy\n0,20,"0.5\n'),
        ("rounds.csv", "round,labels,test_accuracy\n0,20,0.5\0\n"),
        ("recipe.json", "{"),
        ("recipe.json", "[]"),
        ("rounds.csv", "round,labels\n0,x\n"),
        ("rounds.csv", "round,labels\n1,20\n"),
        ("rounds.csv", "labels\n20\n"),
        ("rounds.csv", "round,labels\n0\n"),
    ],
)
def test_damaged_files_are_named(folder, pool, name, text):
    _commit(folder, pool, 1)
    (folder.path / name).write_text(text)
    with pytest.raises(InputError, match=name) as error:
        folder.rows()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("value", [["margin"], 3.5, None, {"a": {"b": []}}])
@pytest.mark.parametrize("name", ["network", "strategy", "dataset", "seed", "n_query"])
def test_a_resume_refuses_an_option_that_no_recipe_has(folder, pool, name, value):
    _commit(folder, pool, 1)
    path = folder.path / "recipe.json"
    stored = json.loads(path.read_text())
    path.write_text(json.dumps(stored | {"recipe": stored["recipe"] | {name: value}}))
    with pytest.raises(InputError, match=rf"recipe.json is damaged \({name}: "):
        folder.rows()


@pytest.mark.parametrize("value", [3, "a", [1], {"a": 3}])
@pytest.mark.parametrize("name", ["files", "strategies", "revisions", "network"])
def test_other_parts_of_a_recipe_json_may_be_odd_too(folder, pool, name, value):
    _commit(folder, pool, 1)
    path = folder.path / "recipe.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {name: value}))
    with contextlib.suppress(InputError):
        folder.rows()
        folder.check_network(["a layer"])


def test_results_without_a_recipe_are_foreign(folder):
    folder.path.mkdir(parents=True)
    (folder.path / "rounds.csv").write_text("a\n")
    with pytest.raises(InputError, match=r"holds rounds\.csv but no recipe\.json"):
        folder.rows()


def _try_lock(small, answers):
    try:
        with RunFolder(small, 1, "print").locked():
            answers.put("locked")
    except InputError as error:
        answers.put(str(error))


def test_a_second_process_is_refused_while_the_first_works(folder, small):
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()

    def ask():
        process = context.Process(target=_try_lock, args=(small, answers))
        process.start()
        process.join()
        return answers.get()

    with folder.locked():
        assert "another process works in" in ask()
    assert ask() == "locked"


def test_recipe_json_tells_what_it_was_made_with(folder, pool):
    _commit(folder, pool, 1)
    stored = json.loads((folder.path / "recipe.json").read_text())
    assert stored["recipe"]["n_query"] == 15
    assert {"python", "tensorflow", "numpy"} <= stored["environment"].keys()


@pytest.mark.parametrize("left", [{}, {"environment": "a laptop"}])
def test_a_recipe_json_without_an_environment_goes_on(folder, pool, left):
    _commit(folder, pool, 1)
    path = folder.path / "recipe.json"
    path.write_text(json.dumps({"recipe": json.loads(path.read_text())["recipe"], **left}))
    assert folder.start() == []


def test_a_folder_of_an_earlier_version_goes_on_where_its_data_agree(folder, pool, small):
    """Its recipe.json holds the first part of a fingerprint."""
    rows = _commit(folder, pool, 2)
    assert RunFolder(small, 1, "print-whole").rows() == rows
    with pytest.raises(InputError, match="data: 'print' there, 'other' here"):
        RunFolder(small, 1, "other-whole").rows()


def test_data_that_differ_in_what_a_sample_does_not_show_are_refused(pool, small):
    _commit(RunFolder(small, 1, "print-whole"), pool, 2)
    with pytest.raises(InputError, match="data: 'print-whole' there, 'print-changed' here"):
        RunFolder(small, 1, "print-changed").rows()


def test_weights_that_a_stop_left_behind_are_removed_with_the_next(folder):
    folder.path.mkdir(parents=True)
    for number in range(4):
        folder.write_weights(number, [np.arange(3)])
    folder.drop_weights(2)
    assert [path.name for path in (folder.path / "weights").iterdir()] == ["round003.npz"]
    folder.drop_weights(-2)
    assert folder.weights(3)[0].tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    "arrays",
    [{}, {"delta": np.array("text")}, {"delta": np.zeros(3)}, {"delta": np.array(np.nan)}, {"other": np.array(1.0)}],
)
def test_a_memory_of_something_else_is_refused(folder, small, arrays):
    other = RunFolder(dataclasses.replace(small, strategy="probcover"), 1, "data")
    other.path.mkdir(parents=True)
    (other.path / "memory").mkdir()
    np.savez(other.path / "memory" / "round001.npz", **arrays)
    with pytest.raises(InputError, match=r"round001\.npz must hold 'delta', finite numbers: a single one\. Received: "):
        other.memory(1)
    np.savez(other.path / "memory" / "round001.npz", delta=np.array(0.5))
    assert other.memory(1)["delta"] == 0.5
