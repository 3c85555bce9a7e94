"""--help names a publication where a default is its value, and tfal where it is ours."""

import re

import pytest

import run_cifar10
import run_cifar100
import run_digits
import run_imagenet
import run_mnist
from tfal.cli import parse
from tfal.recipe.components import options
from tfal.recipe.options import flag

FIELDS = options()

LDMS, MQNET, OURS = "LDM-S public code", "MQ-Net paper and public code", "our choice for this data set"
# (script, option) -> the source of the default that it shows
SOURCES = {
    (run_mnist, "n_query"): LDMS,
    (run_mnist, "learning_rate"): LDMS,
    (run_mnist, "long_tail"): "tfal",
    (run_mnist, "schedule"): "tfal",
    (run_mnist, "n_epoch_csi"): "MQ-Net public code",
    (run_mnist, "lr_scan"): "initial-pools public code",
    (run_mnist, "vaal_kl"): "tfal",
    (run_cifar10, "n_sample"): LDMS,
    (run_cifar10, "optimizer"): LDMS,
    (run_cifar100, "momentum"): MQNET,
    (run_cifar100, "n_class_known"): MQNET,
    (run_cifar100, "n_sample"): LDMS,
    (run_cifar100, "meta_wd"): "MQ-Net paper",
    (run_cifar100, "strategy"): "tfal",
    (run_digits, "n_epoch"): OURS,
    (run_digits, "n_query"): LDMS,  # the same 20 as there
    (run_digits, "n_view"): "tfal",
    (run_imagenet, "lr_head"): "low-budget study, arXiv 2110.12033",
    (run_imagenet, "lr_linear"): "low-budget public code",
    (run_imagenet, "n_epoch_simclr"): "tfal",
}


def shown(script, capsys):
    """{flag: source} of a script's --help all."""
    with pytest.raises(SystemExit, match="0"):
        parse("test", script.PRESETS, script.BUILDERS, script.SOURCE, ["--help", "all"])
    text = " ".join(capsys.readouterr().out.split()).replace("- ", "-")
    return {
        name: re.search(
            rf" {flag(name)} (?:NAME|N|X|\S+\|\S+) (?:(?!source: ).)*\(default: [^;]*; source: ([^)]*)\)", text
        )[1]
        for name in FIELDS
    }


@pytest.mark.parametrize("script", [run_mnist, run_cifar10, run_cifar100, run_digits, run_imagenet])
def test_sources(script, capsys):
    found = shown(script, capsys)
    expected = {name: source.replace("- ", "-") for (of, name), source in SOURCES.items() if of is script}
    assert {name: found[name] for name in expected} == expected
    default = next(iter(script.PRESETS.values()))
    for name, field in FIELDS.items():
        if getattr(default, name) == field.default:  # nothing of the script's publication
            assert found[name] == (field.metadata["source"] or "tfal"), name
        else:
            assert found[name] == (script.SOURCE if field.metadata["protocol"] else "tfal"), name
