"""The cold-start benchmark, `python -m tfal.coldstart`: which images to label first, before any label is known."""
