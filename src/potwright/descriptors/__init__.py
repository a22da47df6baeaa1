"""Descriptors of structures that no training has shaped."""
