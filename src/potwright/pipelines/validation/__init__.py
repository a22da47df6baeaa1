"""Validation: physical tests of potentials against the engine that labelled their data.

Each test is a plan, a plain function of structures that asks for energies, forces and stresses as
it goes on. With one ASE calculator:

>>> from ase.build import bulk
>>> from ase.calculators.emt import EMT
>>> from potwright.pipelines.validation.elastic import elastic_constants
>>> from potwright.pipelines.validation.plans import carry_out
>>> measured = carry_out(elastic_constants(bulk("Cu")), EMT())
>>> round(measured.bulk_modulus_gpa)
134
"""
