"""From a product to the address of its file, by DataLink."""

from __future__ import annotations

import io
from typing import NamedTuple

import requests
from astropy.io import votable
from astropy.table import Row, Table
from pyvo.dal import DALAccessError
from pyvo.dal.adhoc import DatalinkResults

from stellar_tf.archive.errors import NoAnswerError, TransferError, WebPageError
from stellar_tf.archive.products import Product, number_of, one_line, text_of
from stellar_tf.archive.web_page import check_status, web_page_title

_DATALINK = "content=datalink"


class Link(NamedTuple):
    """Where a file is."""

    url: str
    size: int | None
    """[byte], if the archive says it."""


def resolve(session: requests.Session, product: Product) -> Link:
    """
    Ask where a product's own file is.

    Parameters
    ----------
    session : requests.Session
        From `open_session`.
    product : Product
        What is wanted.

    Returns
    -------
    link : Link
        That of the semantics ``#this`` (DataLink 1.1, section 3.2.6), not those of
        previews, ancillary files and services.

    Raises
    ------
    NoAnswerError
        If the archive does not answer.
    TransferError
        If it tells of no such file, or says why there is none.
    """
    if not product.access_url:
        raise TransferError("the archive gives no address")
    if _DATALINK not in product.access_format.replace(" ", ""):
        return Link(product.access_url, None)
    try:
        response = session.get(product.access_url)
    except requests.RequestException as error:
        raise NoAnswerError(f"no links: {one_line(error)}") from None
    check_status(response)
    for row in _parse(response):
        if not text_of(row["semantics"]).endswith("#this"):
            continue
        # The standard has one of the two in each row.
        if url := text_of(row["access_url"]):
            return Link(url, _size(row))
        if fault := text_of(row["error_message"]):
            raise TransferError(f"the archive says: {fault}")
    raise TransferError("the archive's links name no file of it")


def _parse(response: requests.Response) -> Table:
    try:
        table = votable.parse(io.BytesIO(response.content), verify="ignore")
        # Its records lose the mask of missing values; its table does not.
        links = DatalinkResults(table, url=response.url).to_table()
        missing = {"semantics", "access_url", "error_message"} - set(links.colnames)
    except (DALAccessError, ValueError, IndexError) as error:
        title = web_page_title(response.content)
        kind = WebPageError if title else TransferError
        reason = title or one_line(error)
        raise kind(f"no links, the archive answers: {reason}") from None
    if missing:
        raise TransferError(f"the archive's links have no {', '.join(missing)}")
    return links


def _size(row: Row) -> int | None:
    size = number_of(row["content_length"]) if "content_length" in row.colnames else 0.0
    return int(size) if size > 0.0 else None  # NaN is not
