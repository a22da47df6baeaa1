"""Augmentation: a few input structures become many diverse ones.

Inputs are checked and given vacuum, replaced by supercells whose periodic images are far enough
apart, and copied; the copies are strained, rattled, and some of them lose atoms. Clusters, slabs
and isolated atoms are made from the inputs, substitutions and alloys from supercells and copies.
Each strategy is one module with one public function on PESData, one block of parameters and one
node.
"""
