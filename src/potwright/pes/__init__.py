"""The data: structures of any sizes, labelled or not, in one columnar container.

>>> from ase.build import molecule
>>> pes = PESData.from_atoms([molecule("H2O"), molecule("CH4")], origin="initial")
>>> len(pes), pes.n_atoms.tolist()
(2, [3, 5])
"""

from potwright.pes.data import PESData
from potwright.pes.extxyz import export_extxyz, import_extxyz

__all__ = ["PESData", "export_extxyz", "import_extxyz"]
