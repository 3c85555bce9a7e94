"""Which runs a manifest means: commands, folders and ids."""

import dataclasses
from pathlib import Path

import pytest

from tfal.errors import InputError
from tfal.recipe.protocols import digits
from tfal.sweep.expand import expand, some_of
from tfal.sweep.manifest import read_manifest

HEAD = '[base]\nprotocol = "digits"\nn_epoch = 2\n'


@pytest.fixture
def expanded(tmp_path):
    def expand_(text, results="r", **data_dirs):
        path = tmp_path / "m.toml"
        path.write_text(text)
        return expand(read_manifest(path), tmp_path / results, data_dirs)

    return expand_


def test_a_run_is_the_command_that_a_user_would_type(expanded, tmp_path):
    (run,) = expanded(HEAD + '[grid]\nstrategy = "margin"\nrep = [3]\n[resources]\nthreads = 2\n')
    assert run.job.command == (
        *("run", "digits", "--nEpoch", "2", "--strategy", "margin", "--threads", "2", "--rep", "3"),
        *("--resultsDir", str(tmp_path / "r")),
    )
    assert run.job.results == "digits_SCNN/margin/rep003/rounds.csv"
    assert run.job.title == "digits_SCNN, margin, repetition 3"
    assert run.recipe == digits.DIGITS.replace(
        n_epoch=2, strategy="margin", threads=2, rep=3, results_dir=str(tmp_path / "r")
    )


def test_a_strategy_that_switches_is_one_strategy(expanded):
    options, grid = "n_redo = 2\nswitch_at = 4\n", '[grid]\nstrategy = ["TypiClust@3+margin", "tcm"]\nrep = [1]\n'
    one, tcm = [run for run in expanded(HEAD + options + grid) if run.recipe]  # behind their encoder
    assert one.job.results == "digits_SCNN/typiclust@3+margin/rep001/rounds.csv"
    assert one.job.title == "digits_SCNN, typiclust@3+margin, repetition 1"
    assert "typiclust@3+margin" in one.job.command
    assert "--nRedo" in one.job.command
    assert "--switchAt" not in one.job.command
    assert "--switchAt" in tcm.job.command


def test_strategies_and_repetitions_of_the_preset_where_none_are_named(expanded):
    titles = [run.job.title for run in expanded(HEAD)]
    assert titles == [f"digits_SCNN, {name}, repetition {rep}" for rep in (1, 2, 3) for name in ("ldms", "random")]


def test_an_option_goes_to_the_strategies_that_look_at_it(expanded):
    ldms, random = expanded(HEAD + 'n_sample = 50\n[grid]\nstrategy = ["ldms", "random"]\nrep = [1]\n')
    assert "--nSample" in ldms.job.command
    assert "--nSample" not in random.job.command


def test_other_options_of_a_grid_have_folders_of_their_own(expanded):
    runs = expanded(HEAD + '[grid]\nstrategy = "random"\nrep = [1]\nn_query = [5, 10]\nnetwork = ["MLP", "SCNN"]\n')
    assert sorted(run.job.results for run in runs) == [
        f"nQuery{n}/digits_{network}/random/rep001/rounds.csv" for n in (10, 5) for network in ("MLP", "SCNN")
    ]


def test_ids_depend_on_options_alone(expanded):
    text = HEAD + '[grid]\nstrategy = "random"\nrep = 2\n'
    here = [run.job.id for run in expanded(text)]
    assert here == [run.job.id for run in expanded(text, "elsewhere")]
    assert len({*here}) == 2
    assert {*here}.isdisjoint(run.job.id for run in expanded(text.replace("n_epoch = 2", "n_epoch = 3")))
    assert here == [
        run.job.id for run in expanded(text.replace("n_epoch", "nEpoch").replace("rep = 2", "rep = [1, 2]"))
    ]


def test_data_lie_where_the_command_line_says(expanded):
    text = '[base]\nprotocol = "mnist"\n[grid]\nstrategy = "random"\nrep = [1]\n[[set]]\nname = "a"\n'
    text += '[[set]]\nname = "b"\ndataset = "cifar10"\n'
    first, second = expanded(text, **{"a": "/here", "cifar10": "/there"})
    assert (first.recipe.data_dir, second.recipe.data_dir) == ("/here", "/there")
    assert first.job.command[first.job.command.index("--dataDir") + 1] == "/here"
    first, second = expanded(text, **{"": "/all"})
    assert first.recipe.data_dir == second.recipe.data_dir == "/all"
    first, _ = expanded(text)
    assert "--dataDir" not in first.job.command


def test_a_folder_for_what_no_run_looks_at_is_refused(expanded):
    text = '[base]\nprotocol = "mnist"\n[grid]\nstrategy = "random"\nrep = [1]\n[[set]]\nname = "a"\n'
    with pytest.raises(InputError, match=r"--dataDir mnits=/x: unknown set or data set 'mnits'. Did you mean 'mnist'"):
        expanded(text, mnits="/x")
    text += 'preset = "openset"\nn_class_known = 0\nood_dataset = "fashion_mnist"\n'
    with pytest.raises(InputError, match=r"looked for in its folder. Give one folder that has both"):
        expanded(text, fashion_mnist="/x")


def test_a_folder_for_data_that_come_with_a_library_is_refused(expanded):
    text = HEAD + '[grid]\nstrategy = "random"\nrep = [1]\n'
    with pytest.raises(InputError, match=r"--dataDir digits=/x: the data of digits come with a library. Leave it out"):
        expanded(text, digits="/x")
    mixed = text + '[[set]]\nname = "a"\n[[set]]\nname = "b"\nprotocol = "mnist"\n'
    assert [run.recipe.data_dir for run in expanded(mixed, **{"": "/x"})] == [None, "/x"]
    with pytest.raises(InputError, match=r"--dataDir a=/x: the data of a come with a library"):
        expanded(mixed, a="/x")


def test_a_folder_for_a_data_set_of_the_cold_start_benchmark(expanded):
    text = '[base]\ncommand = "coldstart"\ndataset = "cifar10"\n'
    (run,) = expanded(text, cifar10="/there")
    assert run.job.command[run.job.command.index("--dataDir") + 1] == "/there"


def test_options_of_one_strategy_take_the_place_of_those_of_all(expanded):
    text = HEAD + '[grid]\nstrategy = ["margin", "ldms"]\nrep = [1]\n'
    before = expanded(text)
    margin, ldms = expanded(text + "[strategy.ldms]\nn_sample = 7\nn_epoch = 3\n")
    assert (margin.recipe.n_epoch, ldms.recipe.n_epoch, ldms.recipe.n_sample) == (2, 3, 7)
    assert ldms.job.command[ldms.job.command.index("--nEpoch") + 1] == "3"
    assert margin.job == before[0].job
    assert ldms.job.id != before[1].job.id
    assert ldms.job.id == expanded(text.replace("n_epoch = 2", "n_epoch = 3\nn_sample = 7"))[1].job.id
    with pytest.raises(InputError, match=r"\[strategy.margin\]: .*nSample"):
        expanded(text + "[strategy.margin]\nn_sample = 7\n")


def test_digits_need_no_folder(expanded):
    (run,) = expanded(HEAD + '[grid]\nstrategy = "random"\nrep = [1]\n', **{"": "/all"})
    assert "--dataDir" not in run.job.command


def test_an_option_at_its_default_makes_no_other_job(expanded):
    text = HEAD + '[grid]\nstrategy = "margin"\nrep = [1]\n'
    assert [run.job.id for run in expanded(text)] == [
        run.job.id for run in expanded(text.replace("[base]", '[base]\ndevices = "one"'))
    ]


def test_a_table_lies_with_the_data_or_beside_the_manifest(expanded, tmp_path):
    text = '[base]\nprotocol = "tabular"\ncsv = "t.csv"\nlabel = "y"\n[grid]\nstrategy = "random"\nrep = [1]\n'
    (run,) = expanded(text)
    assert run.recipe.csv == str(tmp_path / "t.csv")
    assert run.job.results == "t_MLP/random/rep001/rounds.csv"
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "t.csv").write_text("a,y\n")
    (there,) = expanded(text, **{"": str(tmp_path / "d")})
    assert there.recipe.csv == str(tmp_path / "d" / "t.csv")
    assert there.job.id == run.job.id
    assert "--dataDir" not in there.job.command


def test_a_command_of_its_own(expanded, tmp_path):
    (run,) = expanded(
        '[[set]]\nname = "cold"\ncommand = "coldstart"\noracle = true\n'
        'dataset = "digits"\nbudgets = [20, 50]\nnRun = 1\n'
    )
    assert run.recipe is None
    assert run.job.command == (
        *("coldstart", "--oracle", "--dataset", "digits", "--budgets", "20,50", "--nRun", "1", "--threads", "1"),
        *("--resultsDir", str(tmp_path / "r" / "cold")),
    )


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "protocol must be one of digits"),
        ('[base]\nprotocol = "digit"', "protocol must be one of digits"),
        ('[base]\nprotocol = "digits"\npreset = "opensett"', "Did you mean 'openset'"),
        (HEAD + "n_query = -1", "--nQuery must be at least 1"),
        (HEAD + 'n_query = "many"', "--nQuery"),
        (HEAD + 'n_sample = 50\n[grid]\nstrategy = ["margin", "random"]', "--nSample goes with"),
        (HEAD + "[grid]\nrep = [1, 2]\n[[set]]\nname = 'a'\n[[set]]\nname = 'A'", None),
        (HEAD + '[grid]\nstrategy = "random"\nood_rate = [0.1, 0.2]', "need to know which classes are known"),
        (HEAD + '[grid]\nstrategy = ["random"]\nrep = ["first"]', "--rep"),
        ('[[set]]\nname = "cold"\ncommand = "coldstrat"', "command must be coldstart"),
        ('[[set]]\nname = "cold"\ncommand = "coldstart"\nbudgetts = 3', "unrecognized arguments"),
    ],
)
def test_what_cannot_run_is_refused_without_data(expanded, text, found):
    if found is None:
        assert len({run.job.id for run in expanded(text)}) == 8
        return
    with pytest.raises(InputError) as error:
        expanded(text)
    assert found in str(error.value)
    assert "m.toml" in str(error.value)


SETS = '[[set]]\nname = "a"\n[[set]]\nname = "b"\nn_query = 7\n'


def test_sets_alone_with_what_they_need(expanded):
    grid = '[grid]\nstrategy = ["typiclust", "margin"]\nrep = [1]\n'
    every = expanded(HEAD + grid + SETS)
    assert some_of(every, [], []) == some_of(every, ["b", "a"], []) == every
    encoder, *runs = some_of(every, ["b"], [])
    assert [run.job.title for run in runs] == ["b, typiclust, repetition 1", "b, margin, repetition 1"]
    assert [run.job.needs for run in runs] == [(encoder.job.id,), ()]
    with pytest.raises(InputError, match=r"^unknown set 'B'\. Did you mean 'b'\? Valid: a, b\.$"):
        some_of(every, ["a", "B"], [])
    with pytest.raises(InputError, match=r"^--set a: the manifest has no sets\. Leave it out\.$"):
        some_of(expanded(HEAD + grid), ["a"], [])


def test_repetitions_alone_with_what_they_need(expanded):
    every = expanded(HEAD + '[grid]\nstrategy = ["typiclust", "margin"]\nrep = [1, 3, 12]\n' + SETS)
    assert [run.job.title for run in some_of(every, [], [3])] == [
        *("a, encoder simclr", "b, encoder simclr"),
        *(f"{name}, {strategy}, repetition 3" for name in "ab" for strategy in ("typiclust", "margin")),
    ]
    assert some_of(every, [], [12, 1, 3]) == every
    encoder, typiclust, _ = some_of(every, ["b"], [12])
    assert (typiclust.job.title, typiclust.job.needs) == ("b, typiclust, repetition 12", (encoder.job.id,))
    (alone,) = some_of(expanded(HEAD + '[grid]\nstrategy = ["margin"]\nrep = 2\n'), [], [2])
    assert alone.job.title == "digits_SCNN, margin, repetition 2"
    with pytest.raises(InputError, match=r"^--rep 2: no run has it\. These have 1, 3, 12\. Choose"):
        some_of(every, ["b"], [1, 2])


def test_a_command_is_in_no_repetition(expanded):
    every = expanded('[[set]]\nname = "cold"\ncommand = "coldstart"\n')
    with pytest.raises(InputError, match=r"^--rep 1: no run has it\. These have none\."):
        some_of(every, [], [1])


def test_two_runs_in_one_folder_are_refused(expanded):
    grid = '[grid]\nstrategy = "random"\nrep = [1]\n'
    runs = expanded(f'[base]\nprotocol = "digits"\n{grid}preset = ["digits", "initpools"]\ninitial = "random"\n')
    assert len({Path(run.job.results) for run in runs}) == 2
    alike = 'dataset = "digits"\nn_query = 5\nn_pool = 100\nn_epoch = 1\nn_valid = 0\nn_init = 20\nn_step = 1\n'
    with pytest.raises(InputError, match="are the same"):
        expanded(f'[base]\n{alike}{grid}protocol = ["digits", "mnist"]\n')


def test_jobs_as_json(expanded):
    for run in expanded(HEAD):
        assert type(run.job).of_json(run.job.as_json()) == run.job
        assert dataclasses.asdict(run.job) == run.job.as_json()
