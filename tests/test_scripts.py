"""Every run script: started as by a user, up to its options or to the end; and all of its work, in a fork."""

import functools
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from tests.attack.children import Ended
from tests.conftest import ROOT, SHARED_DATA

TINY = "--network MLP --nRep 1 --nStep 1 --nEpoch 1 --nInit 20 --nValid 20 --nPool 60 --nQuery 5".split()
LDMS = ["--nSample", "50"]


def _data(script, folder):
    """Digits need no folder."""
    return [] if script == "run_digits.py" else ["--dataDir", str(folder)]


def _script(name, *flags):
    command = [sys.executable, str(ROOT / name), *flags]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return Ended(done.returncode, done.stdout, done.stderr, 0.0)


@pytest.fixture
def fork(nursery, tmp_path_factory):
    """As _script, in a fork."""
    return functools.partial(nursery.run, tmp_path_factory.mktemp("output"))


def test_run_digits(tmp_path):
    done = _script("run_digits.py", *TINY, *LDMS, "--resultsDir", str(tmp_path))
    assert done.code == 0, done.err
    assert (tmp_path / "digits_MLP" / "curves.png").exists()
    assert {"ldms", "random"} <= {path.name for path in (tmp_path / "digits_MLP").iterdir()}
    assert str(tmp_path / "digits_MLP" / "curves.png") in done.out.splitlines()[-1]
    lines = [line for line in done.err.splitlines() if "test accuracy" in line]  # no terminal, so no bars
    assert [line.partition(": ")[0] for line in lines] == [
        f"{name}, repetition 1, round {step}" for name in ("ldms", "random") for step in (0, 1)
    ]
    assert lines[1].partition(": ")[2].startswith("25 labels, test accuracy 0.")
    assert "\r" not in done.err


@pytest.mark.parametrize("script", sorted(path.name for path in ROOT.glob("run_*.py")))
def test_a_new_process_starts_as_by_a_user(tmp_path, script):
    """From any folder; what it does then, a fork does for the tests below."""
    done = subprocess.run([sys.executable, str(ROOT / script), "--help"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"usage: {script} ")


@pytest.mark.parametrize(("script", "folder"), [("run_mnist.py", "mnist_MLP"), ("run_cifar10.py", "cifar10_MLP")])
def test_scripts_on_keras_arrays(made, script, folder, fork):
    flags = [*TINY, *LDMS, "--dataDir", str(made), "--resultsDir", str(made / "results"), "--strategy", "ldms,badge"]
    done = fork(script, *flags)
    assert done.code == 0, done.err
    assert len((made / "results" / folder / "test_accs_001.txt").read_text().splitlines()) == 2
    again = fork(script, *flags)
    assert "finished already" in again.out


def test_initial_pools_from_the_command_line(made, fork):
    flags = [*TINY, "--network", "SCNN", "--resultsDir", str(made / "results")]
    done = fork("run_digits.py", "--preset", "initpools", *flags, *LDMS, "--initial", "vae_loss", "--nEpochVae", "1")
    assert done.code == 0, done.err
    folder = made / "results" / "digits-from-vae_loss_SCNN"
    assert {"random", "margin", "ldms", "bald"} <= {path.name for path in folder.iterdir()}
    flags += ["--strategy", "random", "--initial", "random"]
    arrays = dict(np.load(made / "mnist.npz"))
    arrays = {
        f"{part}_{kind}": arrays[f"{letter}_{part}"][:, None] if kind == "labels" else arrays[f"{letter}_{part}"]
        for part in ("train", "test")
        for kind, letter in (("images", "x"), ("labels", "y"))
    }
    np.savez(made / "pathmnist.npz", **arrays)
    done = fork("run_medmnist.py", "--dataDir", str(made), *flags)
    assert done.code == 0, done.err
    assert (made / "results" / "pathmnist-from-random_SCNN" / "curves.png").exists()


@pytest.mark.parametrize(("label", "strategy"), [("kind", "ldms,badge,coreset,margin,random"), ("-1", "ldms")])
def test_run_tabular(tmp_path, label, strategy, fork):
    rng = np.random.default_rng(0)
    rows = [f"{rng.normal(number % 3):.3f},{rng.normal():.3f},class {number % 3}" for number in range(300)]
    (tmp_path / "my table.csv").write_text("\n".join(["width,height,kind", *rows]))
    flags = [
        *TINY,
        *LDMS,
        "--csv",
        str(tmp_path / "my table.csv"),
        "--label",
        label,
        "--resultsDir",
        str(tmp_path / "results"),
    ]
    done = fork("run_tabular.py", *flags, "--strategy", strategy)
    assert done.code == 0, done.err
    assert len((tmp_path / "results" / "my_table_MLP" / "test_accs_001.txt").read_text().splitlines()) == 2


def test_run_tabular_without_a_table(tmp_path):
    failed = _script("run_tabular.py", "--resultsDir", str(tmp_path))
    assert failed.code == 2
    assert "run_tabular.py, whose flags csv and label name the file" in failed.err
    failed = _script("run_tabular.py", "--csv", "gone.csv", "--label", "0", "--resultsDir", str(tmp_path))
    assert "gone.csv cannot be read as a csv file" in failed.err
    assert failed.err.count("\n") == 1


def test_a_long_tail(tmp_path, fork):
    flags = [*TINY, "--longTail", "0.1", "--strategy", "random", "--resultsDir", str(tmp_path)]
    done = fork("run_digits.py", *flags)
    assert done.code == 0, done.err
    head = (tmp_path / "digits-longtail0.1_MLP" / "random" / "rep001" / "rounds.csv").read_text().splitlines()[0]
    assert {"balanced_accuracy", "recall_0", "recall_9"} <= set(head.split(","))
    assert "finished already" in fork("run_digits.py", *flags).out


TINY_OPEN = (
    "--preset openset --nRep 1 --nStep 1 --nEpoch 1 --nStepEpoch 1 --nInit 40 --nPool 60 --nQuery 5 "
    "--nEpochCsi 1 --nBatchEncoder 64 --metaEpoch 1"
).split()


@pytest.mark.parametrize(
    ("script", "folder"),
    [
        ("run_digits.py", "digits-4known-ood50_SCNN"),
        ("run_mnist.py", "mnist-4known-ood50_MLP"),
        ("run_cifar10.py", "cifar10-4known-ood60_MLP"),
        ("run_cifar100.py", "cifar100-40known-ood60_MLP"),
    ],
)
def test_open_set_presets(made, script, folder, fork):
    """A network with stages on the small images alone: CCAL's views make 40 of each large one."""
    network = folder.rpartition("_")[2]
    flags = [*TINY_OPEN, "--network", network, *_data(script, made)]
    done = fork(script, *flags, "--resultsDir", str(made / "results"))
    assert done.code == 0, done.err
    assert "Purity [%]" in done.out
    assert (made / "results" / folder / "mqnet" / "rep001" / "memory.png").exists()


LOW_BUDGET = (
    "--preset lowbudget --network SCNN --nEpochSimclr 1 --nEpochLinear 2 --nRep 1 --splits 3,6 --nRedo 1 "
    "--strategy random,kmeans"
).split()


@pytest.mark.parametrize("script", ["run_digits.py", "run_mnist.py", "run_cifar10.py", "run_cifar100.py"])
def test_low_budget_presets(made, script, fork):
    done = fork(script, *LOW_BUDGET, *_data(script, made), "--resultsDir", str(made / "results"))
    assert done.code == 0, done.err
    assert "Nearest neighbors of frozen features, top-1 [%]" in done.out
    again = fork(script, *LOW_BUDGET, *_data(script, made), "--resultsDir", str(made / "results"))
    assert "All labeled sets are judged already" in again.out


def test_run_imagenet_on_a_tree_of_image_files(tmp_path, fork):
    rng = np.random.default_rng(0)
    for part, n in (("train", 6), ("val", 2)):
        for name in ("n01", "n02", "n03"):
            (tmp_path / part / name).mkdir(parents=True)
            for number in range(n):
                pixels = rng.integers(256, size=(40 + number, 50, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(tmp_path / part / name / f"{number}.JPEG")
    flags = [*LOW_BUDGET, "--imageSize", "32", "--dataDir", str(tmp_path), "--resultsDir", str(tmp_path / "results")]
    done = fork("run_imagenet.py", *flags)
    assert done.code == 0, done.err
    folder = tmp_path / "results" / "imagenet-lowbudget_SCNN" / "kmeans" / "rep001"
    assert len(np.load(folder / "kmeans_imagenet_6.npy")) == 6
    (tmp_path / "train" / "n02" / "3.JPEG").write_bytes(b"no image")
    failed = fork("run_imagenet.py", *flags)
    assert failed.code == 2
    (line,) = failed.err.splitlines()
    assert "was made with another recipe (data:" in line
    skip = ("--corrupt", "skip", "--threads", "1")  # which are fixed before the files are looked at
    skipped = fork("run_imagenet.py", *flags, *skip, "--resultsDir", str(tmp_path / "other"))
    assert skipped.code == 0, skipped.err


@pytest.mark.skipif(not SHARED_DATA.exists(), reason="the real data sets are not on this machine")
def test_uci_letter(tmp_path, fork):
    letter = SHARED_DATA / "letter" / "letter-recognition.data"
    flags = ["--nRep", "1", "--nStep", "0", "--nEpoch", "30", "--strategy", "random", "--resultsDir", str(tmp_path)]
    done = fork("run_tabular.py", "--csv", str(letter), "--label", "0", *flags)
    assert done.code == 0, done.err
    accuracy = float((tmp_path / "letter-recognition_MLP" / "random" / "test_accs_001.txt").read_text())
    assert accuracy > 0.45  # of 26 classes, with 200 labels


@pytest.mark.skipif(not SHARED_DATA.exists(), reason="the real data sets are not on this machine")
@pytest.mark.parametrize(("script", "folder"), [("run_mnist.py", "mnist"), ("run_cifar10.py", ".")])
def test_scripts_on_the_real_data(tmp_path, script, folder, fork):
    done = fork(script, *TINY, *LDMS, "--dataDir", str(SHARED_DATA / folder), "--resultsDir", str(tmp_path))
    assert done.code == 0, done.err


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--strategy", "ldm"], "unknown strategy 'ldm'. Did you mean 'ldms'?"),
        (["--dataset", "minst"], "unknown dataset 'minst'. Did you mean 'mnist'?"),
        (["--nQuery", "5000"], "--nQuery must be at most --nPool"),
        (["--preset", "openset", "--oodRate", "0.9"], "samples of unknown classes"),
        (["--preset", "openset", "--mqnetMode", "both"], "--mqnetMode must be one of conf, ll"),
    ],
)
def test_errors_are_one_line_with_exit_code_2(tmp_path, flags, message):
    failed = _script("run_digits.py", *flags, "--resultsDir", str(tmp_path / "results"))
    assert failed.code == 2
    assert failed.err.startswith("run_digits.py: error: ")
    assert message in failed.err
    assert failed.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_the_module_report_prints_the_table(tmp_path, fork):
    fork("run_digits.py", *TINY, "--strategy", "random", "--resultsDir", str(tmp_path))
    command = [sys.executable, "-m", "tfal.report", str(tmp_path / "digits_MLP")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "random (1 rep.)" in done.stdout
