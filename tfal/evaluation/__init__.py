"""How good a trained network is, and how good a labeled set is."""
