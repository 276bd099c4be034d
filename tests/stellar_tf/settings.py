"""Variations of the settings that the fixtures use."""

from __future__ import annotations

from stellar_tf.config import Config


def with_settings(config: Config, **sections: dict[str, object]) -> Config:
    tree = config.model_dump()
    for name, values in sections.items():
        tree[name].update(values)
    return Config.model_validate(tree)
