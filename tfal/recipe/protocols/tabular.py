"""Active learning on a table: any csv file of numbers, through the MLP. --csv FILE --label COLUMN."""

from __future__ import annotations

from tfal.recipe import Recipe

# UCI letter: 200 labels at the start and 200 a round, with BADGE's MLP for OpenML's tables. Epochs, batch and rate are
# our choice, and so is the number of rounds.
LETTER = Recipe(
    dataset="table",  # until --csv names it
    network="MLP",
    strategy="ldms,badge,coreset,margin,random",
    n_init=200,
    n_valid=2000,
    n_pool=2000,
    n_query=200,
    n_step=10,
    n_sample=2000,
    n_batch=64,
    n_epoch=100,
    n_rep=5,
)

SOURCE = "LDM-S paper and our choice"
PRESETS = {
    "letter": LETTER,
    "small": LETTER.replace(n_init=50, n_valid=50, n_pool=500, n_query=20, n_sample=500),  # 1,000 rows
}
