"""The download: from a query to a folder of checked files."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import requests

from stellar_tf.archive.errors import ArchiveError, NoAnswerError, TransferError
from stellar_tf.archive.journal import DownloadJournal, Entry, waiting_entry
from stellar_tf.archive.products import ESO_TAP, Product, find_products
from stellar_tf.archive.query import Criteria
from stellar_tf.archive.rate_limit import REQUESTS_PER_SECOND, RateLimiter
from stellar_tf.archive.session import PatientRetry, build_retry, open_session
from stellar_tf.archive.task import Task
from tfrecords_tools.progress import show_progress

N_RETRIES = 6
"""Failures of a request, one after the other, that are forgiven."""

_MOST_UNANSWERED = 5
"""Products, one after the other, that an archive may leave without an answer."""


class Access(NamedTuple):
    """How the archive is asked."""

    tap_url: str = ESO_TAP
    n_workers: int = 2
    """Files that come at the same time."""
    n_retries: int = N_RETRIES
    per_second: float = REQUESTS_PER_SECOND
    """Requests of all workers."""


_DEFAULT_ACCESS = Access()


def plan_download(
    out: Path,
    criteria: Criteria,
    access: Access = _DEFAULT_ACCESS,
    *,
    limit: int | None = None,
) -> list[Entry]:
    """
    Ask what there is, and change nothing.

    Parameters
    ----------
    out : Path
        Folder of the files; it need not exist.
    criteria : Criteria
        Which spectra.
    access : Access
        How the archive is asked.
    limit : int or None
        The most products.

    Returns
    -------
    entries : list of Entry
        The products that fit; those whose files are there as "done".

    Raises
    ------
    ArchiveError
        If the query fails, or the folder cannot be used.
    """
    journal = _open_journal(out)
    with _connect(access) as (session, _):
        products = find_products(session, access.tap_url, criteria, limit)
    return _plan(products, journal)


def download(
    out: Path,
    criteria: Criteria,
    access: Access = _DEFAULT_ACCESS,
    *,
    limit: int | None = None,
    overwrite: bool = False,
    progress: bool = True,
) -> list[Entry]:
    """
    Download the spectra that fit into a folder; those that are there stay.

    Parameters
    ----------
    out : Path
        Folder for the files and for the table of them, ``downloads.ecsv``.
    criteria : Criteria
        Which spectra.
    access : Access
        How the archive is asked.
    limit : int or None
        The most products.
    overwrite : bool
        Whether to replace files that are not what the archive has.
    progress : bool, default True
        Whether to show a bar, where stderr is a terminal or a notebook.

    Returns
    -------
    entries : list of Entry
        What became of each product that fits.

    Raises
    ------
    ArchiveError
        If the query fails, the folder cannot be used, the disk is too small or the
        archive ceases to answer; what has come by then stays.
    """
    journal = _open_journal(out)
    with _connect(access) as (session, retry):
        products = find_products(session, access.tap_url, criteria, limit)
        if not products:
            return []
        planned = _plan(products, journal)
        _check_space(out, sum(e.size for e in planned if e.state == "waiting"))
        states = {entry.dp_id: entry.state for entry in planned}
        wanted = [p for p in products if states[p.dp_id] == "waiting"]
        task = Task(session, retry, out, overwrite)
        try:
            with journal.open():
                journal.note(*planned)
                _download_all(task, wanted, access.n_workers, journal, progress)
        except OSError as error:
            path = error.filename or out
            raise ArchiveError(f"{path}: {error.strerror or error}") from None
    return [journal.entries[product.dp_id] for product in products]


def _open_journal(out: Path) -> DownloadJournal:
    if out.exists() and not out.is_dir():
        raise ArchiveError(f"{out}: is no folder")
    return DownloadJournal(out)


@contextmanager
def _connect(access: Access) -> Iterator[tuple[requests.Session, PatientRetry]]:
    retry = build_retry(RateLimiter(access.per_second), access.n_retries)
    with open_session(retry, access.n_workers) as session:
        yield session, retry


def _plan(products: Sequence[Product], journal: DownloadJournal) -> list[Entry]:
    now = datetime.now(UTC)
    planned = []
    for product in products:
        if journal.has(product.dp_id):
            planned.append(journal.entries[product.dp_id])
        elif product.is_public(now):
            planned.append(waiting_entry(product))
        else:
            planned.append(waiting_entry(product)._replace(state="private"))
    return planned


def _check_space(out: Path, size: int) -> None:
    folder = out.absolute()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if size > free:
        raise ArchiveError(
            f"{out}: {size / 1e9:.1f} GB are to come and {free / 1e9:.1f} GB are free; "
            f"set a limit or choose another disk"
        )


def _download_all(
    task: Task,
    products: Sequence[Product],
    n_workers: int,
    journal: DownloadJournal,
    progress: bool,
) -> None:
    executor = ThreadPoolExecutor(n_workers)
    try:
        futures = {executor.submit(task.download, p): p for p in products}
        with show_progress("downloading", len(products), progress) as advance:
            for entry in _outcomes(futures):
                journal.note(entry)
                advance(1, entry.state == "failed")
    finally:
        # After an error or an interrupt, files under way stay as they are.
        task.retry.limiter.stop()
        executor.shutdown(cancel_futures=True)


def _outcomes(futures: Mapping[Future[Entry], Product]) -> Iterator[Entry]:
    n_unanswered = 0
    for future in as_completed(futures):
        try:
            yield future.result()
            n_unanswered = 0
        except TransferError as error:
            entry = waiting_entry(futures[future])
            yield entry._replace(state="failed", reason=str(error))
            n_unanswered += isinstance(error, NoAnswerError)
            if n_unanswered == _MOST_UNANSWERED:
                raise ArchiveError(
                    f"the archive has ceased to answer ({error}); the same command "
                    f"goes on"
                ) from None
