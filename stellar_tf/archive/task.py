"""What a worker does with one product."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import requests

from stellar_tf.archive.errors import TransferError
from stellar_tf.archive.journal import Entry, waiting_entry
from stellar_tf.archive.links import Link, resolve
from stellar_tf.archive.products import Product
from stellar_tf.archive.session import PatientRetry
from stellar_tf.archive.transfer import Fetched, fetch, find_fault
from tfrecords_tools.records.manifest import hash_file

# What the archive calls a product becomes a file's name.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:+-]{0,199}")


class Task(NamedTuple):
    """Downloads products into a folder."""

    session: requests.Session
    """From `open_session`."""
    retry: PatientRetry
    """What is forgiven, for each file anew."""
    folder: Path
    overwrite: bool
    """Whether to replace files that are not what the archive has."""

    def download(self, product: Product) -> Entry:
        """
        Download the file of one product, unless it is there.

        Parameters
        ----------
        product : Product
            As the archive describes it.

        Returns
        -------
        entry : Entry
            In the state "done".

        Raises
        ------
        NoAnswerError
            If the archive does not answer.
        TransferError
            If the file cannot be had.
        """
        if not _NAME.fullmatch(product.dp_id):
            raise TransferError("its identifier cannot be a file's name")
        link = resolve(self.session, product)
        path = self.folder / f"{product.dp_id}.fits"
        fetched = self._keep(path, link) or fetch(self.session, link, path, self.retry)
        return waiting_entry(product)._replace(
            url=link.url,
            file=fetched.path.name,
            size=fetched.size,
            sha256=fetched.sha256,
            state="done",
        )

    def _keep(self, path: Path, link: Link) -> Fetched | None:
        """Take a file that is there for the product's, if it is."""
        for file in (path, path.with_name(f"{path.name}.gz")):
            if not file.exists():
                continue
            fault = find_fault(file, link.size)
            if fault is None:
                return Fetched(file, file.stat().st_size, hash_file(file))
            if not self.overwrite:
                raise TransferError(
                    f"{file.name} is there and not what the archive has ({fault}); "
                    f"remove it or pass overwrite=True"
                )
        return None
