"""Labelling by jobs of a real Slurm, one of which is cancelled; and by Dask, a worker killed."""
