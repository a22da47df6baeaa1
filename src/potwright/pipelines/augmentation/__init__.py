"""Augmentation: a few input structures become many diverse ones.

Inputs are checked and given vacuum, replicated until their periodic images are far enough apart,
and copied; the copies are strained, rattled, and some of them lose atoms. An isolated atom of each
species is added. Each strategy is one module with one public function on PESData.
"""
