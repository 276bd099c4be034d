"""What encoding gives: a posterior for each spectrum, and what is known beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from stellar_tf.flags import explain_flags

Columns = Mapping[str, NDArray[np.generic]]
"""Values by name, as many in each as there are spectra."""

OUTPUTS = ("z_mean", "z_log_var", "median_flux", "valid_fraction", "flags")
"""What the encoder says of each spectrum."""
_FIRST = ("dp_id", "target", "star", "split", *OUTPUTS)


@dataclass(frozen=True, eq=False)
class Latents:
    """Posteriors of spectra: normal, with a mean and a variance per dimension."""

    z_mean: NDArray[np.float32]
    """Means, shape (n, n_latent)."""
    z_log_var: NDArray[np.float32]
    """Natural logarithms of the variances, shape (n, n_latent)."""
    median_flux: NDArray[np.float32]
    """What each spectrum was divided by, shape (n,) [unit of the flux]; or 0."""
    valid_fraction: NDArray[np.float32]
    """Share of the grid's pixels that are valid, shape (n,)."""
    flags: NDArray[np.int32]
    """Bits of `stellar_tf.flags.Flag`, shape (n,); 0 is a good spectrum."""
    metadata: Table = field(default_factory=Table)
    """Identifiers, header values and labels, n rows; without columns for arrays."""
    rejects: tuple[tuple[Path, str], ...] = ()
    """Files that were not encoded, each with the reason."""

    def __len__(self) -> int:
        return len(self.z_mean)

    @property
    def table(self) -> Table:
        """Everything as one table, a row a spectrum."""
        columns = {name: getattr(self, name) for name in OUTPUTS}
        columns.update({c.name: c for c in self.metadata.itercols()})
        first = [name for name in _FIRST if name in columns]
        return Table(
            {name: columns[name] for name in dict.fromkeys([*first, *columns])}
        )

    def scale_widths(self, scale: NDArray[np.floating]) -> Latents:
        """
        Multiply the standard deviations of the posteriors.

        Parameters
        ----------
        scale : ndarray of float, shape (n_latent,)
            A factor for each dimension.

        Returns
        -------
        latents : Latents
            With other log variances, and all else as it is.
        """
        wider = self.z_log_var + 2.0 * np.log(scale)
        return replace(self, z_log_var=wider.astype(np.float32))

    def explain(self) -> list[list[str]]:
        """
        Put the flags into words.

        Returns
        -------
        meanings : list of list of str
            Of each spectrum; empty for a good one.

        Examples
        --------
        >>> model = st.load_model("run")
        >>> model.encode(wave[:300], flux[:300]).explain()
        [["fewer than 50 % of the grid's pixels are valid"]]
        """
        return [explain_flags(int(flags)) for flags in self.flags]


def build_latents(
    batches: Mapping[str, Sequence[NDArray[np.generic]]],
    rejects: Sequence[tuple[Path, str]] = (),
) -> Latents:
    """
    Join batches, and take the outputs of the encoder and the metadata apart.

    Parameters
    ----------
    batches : mapping of str to sequence of ndarray
        The encoder's outputs, and whatever else is known of the spectra, batch by
        batch.
    rejects : sequence of (Path, str)
        Files that were not encoded.

    Returns
    -------
    latents : Latents
        With all other columns as metadata; of no spectrum if there is no batch.
    """
    if not batches:
        code, one = np.empty((0, 0), np.float32), np.empty(0, np.float32)
        nothing = (code, code, one, one, np.empty(0, np.int32))
        return Latents(*nothing, rejects=tuple(rejects))
    columns = {name: np.concatenate(values) for name, values in batches.items()}
    metadata = Table({n: v for n, v in columns.items() if n not in OUTPUTS})
    outputs = {name: columns[name] for name in OUTPUTS}
    return Latents(**outputs, metadata=metadata, rejects=tuple(rejects))
