"""The 20 super-classes of CIFAR-100, as its authors list them (Krizhevsky, 2009)."""

from __future__ import annotations

import numpy as np

from tfal.errors import InputError

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
