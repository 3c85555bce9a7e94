"""A plug-in of tfal: one query strategy on the classifier, one on a learner of its own, and a network."""
