"""How outputs of networks become the arrays that strategies read."""
