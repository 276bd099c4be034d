"""One file, from the archive to the disk."""

from __future__ import annotations

import re
from pathlib import Path
from typing import BinaryIO, NamedTuple

import requests
from urllib3.exceptions import HTTPError, MaxRetryError

from stellar_tf.archive.errors import NoAnswerError, TransferError, WebPageError
from stellar_tf.archive.links import Link
from stellar_tf.archive.products import one_line
from stellar_tf.archive.rate_limit import RateLimiter
from stellar_tf.archive.session import PatientRetry
from stellar_tf.archive.web_page import check_status, web_page_title
from tfrecords_tools.durable import PARTIAL_SUFFIX, put_in_place
from tfrecords_tools.readers.fits_file import MAX_BYTES, FitsFile
from tfrecords_tools.records.manifest import hash_file
from tfrecords_tools.spectrum import SpectrumError

_CHUNK = 1 << 16
_GZIP = b"\x1f\x8b"
_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")
_PARTIAL, _RANGE_NOT_THERE = 206, 416


class Fetched(NamedTuple):
    """A file that is there."""

    path: Path
    size: int
    """[byte]"""
    sha256: str


_ATTEMPTS = 2


class _BrokenError(Exception):
    """Not all has come; later attempts may fetch the rest."""


class _SpoiltError(TransferError):
    """What came is not the file; one more attempt may fetch it."""


def fetch(
    session: requests.Session, link: Link, path: Path, retry: PatientRetry
) -> Fetched:
    """
    Fetch a file, go on where an earlier attempt ended, and check it.

    Parameters
    ----------
    session : requests.Session
        From `open_session`.
    link : Link
        Where it is.
    path : Path
        Where to put it, without ``.gz``, which is added if it is gzipped. Until it is
        complete and checked it is beside that, hidden, under the ending ``.partial``.
    retry : PatientRetry
        How many attempts that fetch nothing new are forgiven.

    Returns
    -------
    fetched : Fetched
        What is there now.

    Raises
    ------
    NoAnswerError
        If the archive does not answer.
    TransferError
        If the file cannot be had.
    """
    if link.size is not None and link.size > MAX_BYTES:
        raise TransferError(f"{link.size} bytes announced: no spectrum")
    partial = path.with_name(f".{path.name}{PARTIAL_SUFFIX}")
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            _receive_all(session, link, partial, retry)
            _check(partial, link.size)
        except (_SpoiltError, WebPageError):
            partial.unlink(missing_ok=True)
            if attempt == _ATTEMPTS:
                raise
        else:
            break
    return _finish(partial, path)


def find_fault(path: Path, size: int | None) -> str | None:
    """
    Say what is wrong with a file.

    Parameters
    ----------
    path : Path
        The file.
    size : int or None
        What the archive says [byte].

    Returns
    -------
    reason : str or None
        None if it is of this size, is a FITS file as long as its headers say, and
        fits the checksums in them.
    """
    there = _size(path)
    if size is not None and there != size:
        return f"{there} bytes instead of the {size} announced"
    try:
        with FitsFile(path) as file:
            file.check_sizes()
            fits = file.fits_its_checksums()
    except SpectrumError as error:
        return str(error)
    return None if fits else "damaged: it does not fit its CHECKSUM"


def _check(partial: Path, size: int | None) -> None:
    reason = find_fault(partial, size)
    if reason is not None:
        raise _SpoiltError(reason)


def _receive_all(
    session: requests.Session, link: Link, partial: Path, retry: PatientRetry
) -> None:
    attempts, most = retry, _size(partial)
    while True:
        try:
            return _receive(session, link, partial, retry.limiter)
        except _BrokenError as error:
            # Only what goes beyond all before is progress, so that this ends.
            if _size(partial) > most:
                attempts, most = retry, _size(partial)
            attempts = _forgive(attempts, link, error)
            attempts.sleep()


def _receive(
    session: requests.Session, link: Link, partial: Path, limiter: RateLimiter
) -> None:
    have = _size(partial)
    if link.size is not None and have == link.size:
        return
    if link.size is not None and have > link.size:
        have = 0
    headers = {"Range": f"bytes={have}-"} if have else {}
    with _get(session, link, headers) as response:
        if response.status_code == _RANGE_NOT_THERE:
            if response.headers.get("Content-Range") == f"bytes */{have}":
                return
            raise _SpoiltError("the file has become shorter")
        check_status(response)
        goes_on = have > 0 and _begins_at(response, have, link.size)
        with partial.open("ab" if goes_on else "wb") as stream:
            _write(response, stream, link.size, limiter)


def _get(
    session: requests.Session, link: Link, headers: dict[str, str]
) -> requests.Response:
    try:
        return session.get(link.url, headers=headers, stream=True)
    except requests.RequestException as error:  # again and again
        raise NoAnswerError(one_line(error)) from None


def _begins_at(response: requests.Response, begin: int, size: int | None) -> bool:
    """Tell whether an answer goes on with a file; otherwise it is the whole of it."""
    if response.status_code != _PARTIAL:
        return False
    found = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if found is None or int(found[1]) != begin:
        raise _SpoiltError("the server sends another range than it was asked for")
    if size is not None and found[2] not in ("*", str(size)):
        raise _SpoiltError(f"{found[2]} bytes instead of the {size} announced")
    return True


def _write(
    response: requests.Response,
    stream: BinaryIO,
    size: int | None,
    limiter: RateLimiter,
) -> None:
    try:
        # As it is: sizes and ranges are those of the bytes sent.
        for chunk in response.raw.stream(_CHUNK, decode_content=False):
            limiter.check()
            if stream.tell() == 0 and (title := web_page_title(chunk)):
                raise WebPageError(f"the archive sends {title}")
            stream.write(chunk)
            if size is not None and stream.tell() > size:
                raise _SpoiltError(f"more than the {size} bytes announced")
            if stream.tell() > MAX_BYTES:
                raise _SpoiltError(f"more than {MAX_BYTES} bytes: no spectrum")
    except HTTPError as error:
        raise _BrokenError(f"the connection broke: {one_line(error)}") from None


def _forgive(attempts: PatientRetry, link: Link, error: Exception) -> PatientRetry:
    try:
        return attempts.increment("GET", link.url, error=error)
    except MaxRetryError:
        raise NoAnswerError(str(error)) from None


def _finish(partial: Path, path: Path) -> Fetched:
    with partial.open("rb") as stream:
        if stream.read(len(_GZIP)) == _GZIP:
            path = path.with_name(f"{path.name}.gz")
    fetched = Fetched(path, _size(partial), hash_file(partial))
    put_in_place(partial, path)
    return fetched


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
