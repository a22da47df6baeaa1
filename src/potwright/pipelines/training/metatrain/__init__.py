"""Training by ``mtt train`` of metatrain (https://docs.metatensor.org/metatrain)."""

from potwright.pipelines.training.metatrain.parameters import MetatrainTrainer

__all__ = ["MetatrainTrainer"]
