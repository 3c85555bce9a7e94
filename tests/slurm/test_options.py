"""What jobs ask Slurm for; no cluster is needed."""

import pytest

from tfal.errors import InputError
from tfal.sweep.job import Resources
from tfal.sweep.slurm.options import flags, parameters, passed_through


def test_resources_as_slurm_calls_them():
    assert parameters(Resources(threads=4, gpus=1, memory_gb=8, minutes=90.5), {}) == {
        "requeue": True,
        "time": 91,
        "cpus_per_task": 4,
        "mem": "7630M",  # 8e9 bytes
        "gpus_per_node": 1,
        "signal_delay_s": 90,
    }


def test_short_limits_have_a_shorter_warning():
    assert parameters(Resources(minutes=1), {})["signal_delay_s"] == 15


def test_what_is_given_takes_the_place_of_what_a_manifest_says():
    given = passed_through("long", "lab", ["time=600", "gres=gpu:a100:1", "--mem-per-cpu=4G", "exclusive"])
    assert parameters(Resources(threads=2, gpus=1, memory_gb=8, minutes=5), given) == {
        "requeue": True,
        "cpus_per_task": 2,
        "signal_delay_s": 90,
        "partition": "long",
        "account": "lab",
        "time": 600,
        "gres": "gpu:a100:1",
        "mem_per_cpu": "4G",
        "exclusive": True,
    }
    assert "requeue" not in parameters(Resources(minutes=5), passed_through(None, None, ["no-requeue"]))


def test_a_number_of_an_account_stays_as_it_is():
    assert passed_through(None, None, ["account=0123"]) == {"account": "0123"}


def test_as_sbatch_takes_them():
    assert flags({"time": 5, "mail_user": "a@b", "requeue": True, "max_num_timeout": 3}, ["max_num_timeout"]) == [
        "--time=5",
        "--mail-user=a@b",
        "--requeue",
    ]


@pytest.mark.parametrize(
    ("others", "said"),
    [
        (["time="], "KEY=VALUE"),
        (["=5"], "KEY=VALUE"),
        (["a b=5"], "KEY=VALUE"),
        (["array=0-3"], "set by tfal"),
        (["--job-name=x"], "set by tfal"),
        (["kill-on-invalid-dep=no"], "set by tfal"),
        (["time=1:00:00"], "must be a whole number"),
        (["cpus-per-task"], "must be a whole number"),
        (["qos=a", "qos=b"], "given twice"),
        (["partition=a"], "given twice"),
    ],
)
def test_parameters_that_cannot_be(others, said):
    with pytest.raises(InputError, match=said):
        passed_through("long", None, others)


@pytest.mark.parametrize("given", [{}, {"time": 0}])
def test_a_job_without_a_limit(given):
    with pytest.raises(InputError, match="--slurm time=MINUTES"):
        parameters(Resources(), given)
