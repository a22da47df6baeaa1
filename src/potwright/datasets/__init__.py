"""Catalog types: thin, versioned, atomic.

Every versioned type loads the newest version that is not newer than the run, so an older iteration
can be looked at and run again; with ``previous: true`` it loads what was there before the run.
"""

from potwright.datasets.committee import CommitteeDataset, PotentialsDataset
from potwright.datasets.documents import JSONDataset, TableDataset
from potwright.datasets.figures import FigureDataset, PageDataset
from potwright.datasets.history import HistoryDataset
from potwright.datasets.pes import PESDataset
from potwright.datasets.predictions import PredictionsDataset
from potwright.datasets.structures import StructuresDataset
from potwright.datasets.threshold_maps import ThresholdMapsDataset
from potwright.datasets.validation_results import ValidationResultsDataset
from potwright.datasets.workspace import LabelStoreDataset, WorkspaceDataset

__all__ = [
    "CommitteeDataset",
    "FigureDataset",
    "HistoryDataset",
    "JSONDataset",
    "LabelStoreDataset",
    "PESDataset",
    "PageDataset",
    "PotentialsDataset",
    "PredictionsDataset",
    "StructuresDataset",
    "TableDataset",
    "ThresholdMapsDataset",
    "ValidationResultsDataset",
    "WorkspaceDataset",
]
