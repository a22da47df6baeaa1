"""Training by ``mace_run_train`` (Batatia et al., NeurIPS 2022, arXiv:2206.07697)."""

from potwright.pipelines.training.mace.parameters import MACETrainer

__all__ = ["MACETrainer"]
