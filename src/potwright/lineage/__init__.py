"""Where data comes from and what became of it: one structure's history, a campaign's provenance.

Everything here is read from what a campaign keeps anyway: versioned datasets, run records, the
label store. Nothing is computed again but disagreements, from stored predictions.
"""
