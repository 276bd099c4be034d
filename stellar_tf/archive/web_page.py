"""What a server says when it does not give what it was asked for."""

from __future__ import annotations

import html
import re

import requests

from stellar_tf.archive.errors import NoAnswerError, TransferError

_TITLE = re.compile(rb"<title[^>]*>(.*?)</title", re.IGNORECASE | re.DOTALL)
_PAGE = re.compile(rb"\s*<(!doctype\s+html|html|head|body)", re.IGNORECASE)
_REFUSED = (401, 403)
_TOO_MANY = 429


def check_status(response: requests.Response) -> None:
    """
    Refuse an answer that is none.

    Parameters
    ----------
    response : requests.Response
        To any request.

    Raises
    ------
    NoAnswerError
        If the server has an error or too much to do.
    TransferError
        If the request has an error.
    """
    if response.status_code in _REFUSED:
        raise TransferError(
            f"access refused (HTTP {response.status_code}): not public?"
        )
    if not response.ok:
        busy = response.status_code >= 500 or response.status_code == _TOO_MANY
        kind = NoAnswerError if busy else TransferError
        raise kind(f"HTTP {response.status_code} {response.reason}".strip())


def web_page_title(content: bytes) -> str | None:
    """
    Recognise a web page.

    Parameters
    ----------
    content : bytes
        The beginning of an answer.

    Returns
    -------
    title : str or None
        "a web page" and its title, if it has one; None if it is no web page.
    """
    if not _PAGE.match(content):
        return None
    found = _TITLE.search(content)
    if found is None:
        return "a web page"
    title = " ".join(html.unescape(found[1].decode("utf-8", "replace")).split())
    return f'a web page, "{title[:100]}"'
