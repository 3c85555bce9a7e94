"""What is asked for: options, the recipe that they make, published presets, and what of it is used."""

from tfal.recipe.recipe import Recipe

__all__ = ["Recipe"]
