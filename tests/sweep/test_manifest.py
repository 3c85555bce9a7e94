"""What a manifest may say, and what is refused in a line."""

import pytest

from tfal.errors import InputError
from tfal.sweep.job import Resources
from tfal.sweep.manifest import read_manifest

WHOLE = """
[sweep]
name = "try"
about = "a try"
source = "nobody, figure 0"
[base]
protocol = "digits"
nEpoch = 2
n_pool = 60
[grid]
strategy = ["margin", "random"]
rep = 3
[[set]]
name = "one"
[[set]]
name = "two"
n_pool = 70
grid = { strategy = ["random"], n_query = [5, 10] }
resources = { minutes = 2 }
[resources]
threads = 2
gpu_hours = 1.5
n_shard = 4
[[published]]
set = "one"
labels = 40
value = 0.5
source = "table 1"
[small]
sweep = { about = "less of it" }
base = { n_epoch = 1 }
grid = { rep = [2] }
"""


@pytest.fixture
def written(tmp_path):
    def write(text):
        path = tmp_path / "m.toml"
        path.write_text(text)
        return path

    return write


def test_sets_share_the_base_and_the_grid_and_change_them(written):
    manifest = read_manifest(written(WHOLE))
    one, two = manifest.sets
    assert (manifest.name, manifest.about, manifest.source) == ("try", "a try", "nobody, figure 0")
    assert (manifest.gpu_hours, manifest.n_shard) == (1.5, 4)
    assert one.base == {"protocol": "digits", "n_epoch": 2, "n_pool": 60}
    assert one.grid == {"strategy": ["margin", "random"], "rep": [1, 2, 3]}
    assert two.base == {"protocol": "digits", "n_epoch": 2, "n_pool": 70}
    assert two.grid == {"strategy": ["random"], "rep": [1, 2, 3], "n_query": [5, 10]}
    assert (one.resources, two.resources) == (Resources(threads=2), Resources(threads=2, minutes=2))
    assert manifest.published == ({"set": "one", "labels": 40, "value": 0.5, "source": "table 1"},)


def test_a_variant_changes_tables_key_by_key(written):
    manifest = read_manifest(written(WHOLE), "small")
    assert manifest.name == "try-small"
    assert manifest.sets[0].base == {"protocol": "digits", "n_epoch": 1, "n_pool": 60}
    assert manifest.sets[0].grid == {"strategy": ["margin", "random"], "rep": [2]}
    assert [chosen.name for chosen in manifest.sets] == ["one", "two"]
    assert (manifest.about, manifest.source, manifest.n_shard) == ("less of it", "nobody, figure 0", 4)
    assert (manifest.gpu_hours, manifest.published) == (None, ())  # which are known of the whole


def test_a_variant_may_write_an_option_in_its_other_spelling(written):
    text = '[base]\nprotocol = "digits"\nnEpoch = 2\n[small]\nbase = { n_epoch = 1 }\n'
    assert read_manifest(written(text), "small").sets[0].base["n_epoch"] == 1


def test_a_strategy_may_have_options_of_its_own(written):
    text = WHOLE + "[strategy.Margin]\nnPool = 80\n[strategy.random]\nn_epoch = 3\n"
    one, two = read_manifest(written(text)).sets
    assert one.own == {"margin": {"n_pool": 80}, "random": {"n_epoch": 3}}
    assert two.own == {"random": {"n_epoch": 3}}
    text += '[few]\ngrid = { strategy = ["random"] }\nstrategy = { random = { n_epoch = 4 } }\n'
    assert read_manifest(written(text), "few").sets[0].own == {"random": {"n_epoch": 4}}


def test_without_sets_there_is_one_without_a_name_and_the_file_names_the_sweep(written):
    manifest = read_manifest(written('[base]\nprotocol = "digits"\n'))
    assert manifest.name == "m"
    assert [chosen.name for chosen in manifest.sets] == [""]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[swep]\nname = 'a'", "unknown key 'name'"),
        ("[sweep]\nnam = 'a'", "unknown key 'nam'. Did you mean 'name'?"),
        ("[base]\nn_quer = 3", "unknown option 'n_quer'. Did you mean 'n_query'?"),
        ("[base]\nn_query = 3\nnQuery = 3", "has nQuery twice"),
        ("[base]\nn_rep = 3", "Write rep = 5 in [grid]"),
        ("[base]\nrep = 3", "rep = 3 belongs into a grid"),
        ("[base]\nresultsDir = 'here'", "has no place in a manifest"),
        ("[base]\nn_query = { a = 1 }", "must be a value"),
        ("[base]\nstrategy = 'marginn'", "Did you mean 'margin'?"),
        ("[grid]\nstrategy = []", "the grid is empty, since strategy has no values"),
        ("[grid]\nrep = 0", "the grid is empty, since rep has no values"),
        ("[grid]\nn_query = [5, 5]", "a value of n_query twice"),
        ("[[set]]\nname = 'a'\n[[set]]\nname = 'a'", "two sets called 'a'"),
        ("[[set]]\nname = 'a/b'", "no separators"),
        ("[[set]]\nn_query = 5", "becomes a part of a path"),
        ("[[set]]\nname = 'a'\nn_query = 5\ngrid = { nQuery = [5, 6] }", "as an option and in its grid"),
        ("[set]\nname = 'a'", "must be a list of tables, [[set]]"),
        ("[[base]]\nn_query = 3", "[base] must be a table"),
        ("[resources]\nthreads = 1.5", "threads must be a whole number"),
        ("[resources]\nminutes = 0", "minutes must be a positive number"),
        ("[resources]\ncores = 2", "unknown key 'cores'"),
        ("[[published]]\nlabels = 20\nvalue = 'high'\nsource = 'a'", "Mend value"),
        ("[[published]]\nlabels = 20\nvalue = 0.5", "Mend source"),
        ("[strategy.marginn]\nn_pool = 5", "Did you mean 'margin'?"),
        ("[strategy.margin]\nn_pol = 5", "unknown option 'n_pol'. Did you mean 'n_pool'?"),
        ("[strategy.margin]\n", "must be one table of options. Received: {}"),
        ("[strategy]\nmargin = 3", "must be one table of options. Received: 3"),
        ("[strategy.margin]\nn_pool = 5\n[strategy.Margin]\nn_pool = 6", "Give it some, once"),
        ("[strategy.margin]\npreset = 'quick'", "preset is the same for all strategies"),
        ("[strategy.margin]\nn_pool = 5", "[strategy.margin]: no set has this strategy"),
        ("[grid]\nstrategy = 'margin'\nn_pool = [5, 6]\n[strategy.margin]\nn_pool = 5", "has n_pool in its grid"),
        ("[small]\nswep = { name = 'a' }", "unknown key 'swep'. Did you mean 'sweep'?"),
        ("[base\n", "is not TOML"),
    ],
)
def test_what_means_nothing_is_refused(written, text, found):
    with pytest.raises(InputError) as error:
        read_manifest(written(text))
    assert found in str(error.value)
    assert "m.toml" in str(error.value)


def test_no_file_and_no_variant(written, tmp_path):
    with pytest.raises(InputError, match="there is no manifest"):
        read_manifest(tmp_path / "none.toml")
    with pytest.raises(InputError, match="Did you mean 'small'"):
        read_manifest(written(WHOLE), "smal")
