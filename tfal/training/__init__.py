"""How any network is trained."""
