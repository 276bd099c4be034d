"""Settings of every command: one YAML file, one frozen model, one home per number."""

from stellar_tf.config.files import (
    LABEL_SETTINGS,
    SHIPPED,
    ConfigError,
    describe_error,
    load_config,
    load_label_config,
    write_config,
)
from stellar_tf.config.sections import (
    AnalysisConfig,
    Config,
    DatasetConfig,
    FoldedConfig,
    ModelConfig,
    Normalisation,
    ObjectiveConfig,
    StridedConfig,
    TrainingConfig,
)
from stellar_tf.config.simulation import (
    UNITS,
    Distribution,
    Factors,
    SimulateConfig,
)

__all__ = [
    "LABEL_SETTINGS",
    "SHIPPED",
    "UNITS",
    "AnalysisConfig",
    "Config",
    "ConfigError",
    "DatasetConfig",
    "Distribution",
    "Factors",
    "FoldedConfig",
    "ModelConfig",
    "Normalisation",
    "ObjectiveConfig",
    "SimulateConfig",
    "StridedConfig",
    "TrainingConfig",
    "describe_error",
    "load_config",
    "load_label_config",
    "write_config",
]
