"""Potwright trains neural-network interatomic potentials by active learning.

Nouns (``geometry``, ``pes``, ``uncertainty``, ``potentials``, ``quantum``, ``dynamics``,
``execution``) are plain Python; verbs (``pipelines``) are Kedro pipelines made of them.
"""

__version__ = "0.1.0"
