"""Lists of classes: the known ones of the open-set protocol, and the 20 super-classes of CIFAR-100.

Known classes are published lists by data set, and drawn ones for all others. Sources: the experiments of MQ-Net (Park
et al., Meta-Query-Net, NeurIPS 2022), one list a trial; the super-classes as CIFAR's author lists them (Krizhevsky,
2009).
"""

from __future__ import annotations

import numpy as np

from tfal.errors import InputError


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in text.split())


CIFAR10 = tuple(map(_numbers, ("2 4 5 7", "1 2 5 7", "2 3 4 6", "1 3 8 9", "2 3 5 9")))
CIFAR100 = (
    _numbers(
        "1 3 4 5 7 8 18 20 21 22 25 27 30 33 34 43 46 48 50 55 57 60 62 63 66 68 69 72 74 75 76 77 81 82 83 "
        "86 88 89 93 98"
    ),
    _numbers(
        "3 10 11 13 18 20 22 23 26 27 29 30 33 35 37 39 45 47 49 50 53 60 61 62 67 68 70 72 73 74 75 79 82 86 "
        "88 89 90 92 94 96"
    ),
    _numbers(
        "2 5 8 10 11 13 14 16 20 22 25 26 28 35 38 39 42 43 46 48 50 52 53 54 55 58 59 60 61 66 67 70 71 73 "
        "74 77 78 80 90 91"
    ),
    _numbers(
        "0 1 3 7 8 10 11 12 17 23 25 26 27 30 37 42 45 47 52 53 54 56 57 60 61 65 74 75 76 84 86 87 90 91 93 "
        "94 96 97 98 99"
    ),
    _numbers(
        "0 1 4 5 7 9 12 19 21 22 23 24 38 41 42 43 46 47 48 51 55 59 60 62 68 73 75 78 79 80 81 85 86 90 91 "
        "94 95 96 97 98"
    ),
)
IMAGENET50 = _numbers(
    "5 11 42 54 68 85 91 95 100 106 173 184 226 246 263 297 304 367 406 429 445 487 497 503 516 523 528 "
    "533 548 572 574 579 584 650 669 676 689 744 781 826 831 859 886 919 924 936 955 958 967 983"
)

LISTS = {"cifar10": CIFAR10, "cifar100": CIFAR100, "imagenet": (IMAGENET50,) * 5}


def known_classes(dataset: str, n_classes: int, n_known: int, trial: int) -> tuple[int, ...]:
    """The known classes of a trial, ascending.

    The published list where there are lists of n_known classes for the data set; n_known classes drawn at random from
    the trial's number otherwise, the same for every seed and machine.

    Args:
        dataset: its name in tfal.data.DATASETS, or any other.
        n_classes: classes of the data set.
        n_known: how many are known.
        trial: from 0.

    Raises:
        InputError: fewer than 2 known classes, or as many as there are; a trial beyond the published ones.
    """
    if not 2 <= n_known < n_classes:
        raise InputError(
            f"--nClassKnown must be from 2 to {n_classes - 1} for the {n_classes} classes of {dataset}, "
            f"so that some are unknown. Received: {n_known}."
        )
    lists = LISTS.get(dataset, ())
    if not lists or len(lists[0]) != n_known:
        return tuple(sorted(np.random.default_rng([trial, n_known]).permutation(n_classes)[:n_known].tolist()))
    if trial >= len(lists):
        raise InputError(
            f"{dataset} has class lists for trials 0 to {len(lists) - 1}. Received: trial {trial}. "
            f"Lower --trial or --nRep, which is at most {len(lists)} where repetition r uses list r - 1."
        )
    return lists[trial]


CIFAR20 = {
    "aquatic_mammals": "beaver dolphin otter seal whale",
    "fish": "aquarium_fish flatfish ray shark trout",
    "flowers": "orchid poppy rose sunflower tulip",
    "food_containers": "bottle bowl can cup plate",
    "fruit_and_vegetables": "apple mushroom orange pear sweet_pepper",
    "household_electrical_devices": "clock keyboard lamp telephone television",
    "household_furniture": "bed chair couch table wardrobe",
    "insects": "bee beetle butterfly caterpillar cockroach",
    "large_carnivores": "bear leopard lion tiger wolf",
    "large_man-made_outdoor_things": "bridge castle house road skyscraper",
    "large_natural_outdoor_scenes": "cloud forest mountain plain sea",
    "large_omnivores_and_herbivores": "camel cattle chimpanzee elephant kangaroo",
    "medium_mammals": "fox porcupine possum raccoon skunk",
    "non-insect_invertebrates": "crab lobster snail spider worm",
    "people": "baby boy girl man woman",
    "reptiles": "crocodile dinosaur lizard snake turtle",
    "small_mammals": "hamster mouse rabbit shrew squirrel",
    "trees": "maple_tree oak_tree palm_tree pine_tree willow_tree",
    "vehicles_1": "bicycle bus motorcycle pickup_truck train",
    "vehicles_2": "lawn_mower rocket streetcar tank tractor",
}

_MEMBERS = [(name, number) for number, names in enumerate(CIFAR20.values()) for name in names.split()]
CIFAR100_NAMES = tuple(sorted(name for name, _ in _MEMBERS))  # the data set numbers its classes in this order
_TABLE = np.array([number for _, number in sorted(_MEMBERS)])


def cifar20_table(class_names: tuple[str, ...] | None) -> np.ndarray:
    """The super-class of each class of CIFAR-100, (100,) int64.

    class_names: those of a source, if it has any. Raises InputError when they are not the data set's own, in its order.
    """
    if class_names not in (None, CIFAR100_NAMES):
        strange = sorted(set(class_names or ()) - set(CIFAR100_NAMES)) or ["another order of them"]
        raise InputError(
            f"super-classes need the 100 classes of CIFAR-100 by their own names. Received: {strange[0]}. Rename them."
        )
    return _TABLE
