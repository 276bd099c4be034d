"""The versions that are served, by name and number."""

from __future__ import annotations

from typing import Any

from kserve import ModelRepository
from kserve.errors import ModelNotFound
from kserve.protocol.dataplane import DataPlane

from stellar_tf.serving.kserve_model import ServedModel


class Repository(ModelRepository):
    """
    The versions of one model; its bare name means the highest.

    Parameters
    ----------
    models : list of ServedModel
        The versions, in ascending order.
    """

    def __init__(self, models: list[ServedModel]) -> None:
        super().__init__()
        self.versions = [model.version for model in models]
        self._by_address = {address(m.name, str(m.version)): m for m in models}
        self.update(models[-1])

    def get_model(self, name: str) -> ServedModel | None:
        """Find a version."""
        return self._by_address.get(name) or self.models.get(name)


class VersionedDataPlane(DataPlane):
    """
    KServe's, with versions.

    Parameters
    ----------
    repository : Repository
        What is served.
    """

    def __init__(self, repository: Repository) -> None:
        super().__init__(repository)
        self.repository = repository

    def metadata(self) -> dict[str, Any]:
        """Describe the server."""
        return {**super().metadata(), "extensions": ["binary_tensor_data"]}

    async def model_metadata(self, model_name: str) -> dict[str, Any]:
        """
        Describe a model.

        Parameters
        ----------
        model_name : str
            A name, or an `address`.

        Returns
        -------
        metadata : dict
            As the Open Inference protocol has it, and ``parameters``.
        """
        model = self.find(model_name)
        return {
            **await super().model_metadata(model_name),
            "name": model.name,
            "versions": [str(version) for version in self.repository.versions],
            "platform": "tensorflow_savedmodel",
            "parameters": {"version": str(model.version), **model.describe()},
        }

    def find(self, model_name: str) -> ServedModel:
        """
        Find a version.

        Parameters
        ----------
        model_name : str
            A name, or an `address`.

        Returns
        -------
        model : ServedModel
            The version.

        Raises
        ------
        ModelNotFound
            If it is not served.
        """
        model = self.repository.get_model(model_name)
        if model is None:
            raise ModelNotFound(model_name)
        return model


def address(name: str, version: str | None) -> str:
    """Name one version."""
    return f"{name}/versions/{version}" if version else name
