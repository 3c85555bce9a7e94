"""Folders of results as a run leaves them, with the files that a report reads."""

import json

RECIPE = {"dataset": "digits", "network": "SCNN", "seed": 0, "data": "0123", "n_init": 20, "n_epoch": 5, "n_valid": 0}
ENVIRONMENT = {"python": "3.11.7", "machine": "Linux x86_64", "tensorflow": "2.21.0"}


def write_run(experiment, strategy, rep, accuracies, labels=None, *, columns=None, recipe=None, **more):
    """One repetition; columns, more: of rounds.csv beside the accuracies; recipe: options of its own."""
    run = experiment / strategy / f"rep{rep:03d}"
    run.mkdir(parents=True)
    labels = labels or [20 + 20 * step for step in range(len(accuracies))]
    table = {"round": range(len(accuracies)), "labels": labels, "test_accuracy": accuracies} | (columns or {}) | more
    lines = [",".join(map(repr, row)) for row in zip(*(list(column) for column in table.values()), strict=True)]
    (run / "rounds.csv").write_text("\n".join([",".join(table), *lines]) + "\n")
    stored = {"recipe": RECIPE | {"strategy": strategy} | (recipe or {}), "environment": ENVIRONMENT}
    (run / "recipe.json").write_text(json.dumps(stored))


def filled(experiment, strategies=("margin", "random"), reps=5, rounds=4, lift=0.05, columns=None, **options):
    """An experiment of which every strategy but random is `lift` better; lists among options are columns."""
    columns = (columns or {}) | {name: value for name, value in options.items() if isinstance(value, list)}
    recipe = {name: value for name, value in options.items() if name not in columns}
    for place, strategy in enumerate(strategies):
        for rep in range(1, reps + 1):
            gain = 0 if strategy == "random" else lift * (1 + 0.1 * place)
            noise = [0.001 * ((7 * rep + 3 * step + 5 * place) % 11) for step in range(rounds)]
            accuracies = [round(0.5 + 0.08 * s + (gain + noise[s]) * (s > 0) + 0.01 * rep, 6) for s in range(rounds)]
            write_run(experiment, strategy, rep, accuracies, columns=columns, recipe=recipe)
