"""Labelling: what to label, screening, calculations, failures."""
