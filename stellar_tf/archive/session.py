"""HTTP with patience and manners."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Self

import pyvo
import requests
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from stellar_tf import __version__
from stellar_tf.archive.rate_limit import RateLimiter

if TYPE_CHECKING:
    from urllib3.response import BaseHTTPResponse

logger = logging.getLogger(__name__)

USER_AGENT = (
    f"stellar-tf/{__version__} (IVOA-copy) pyVO/{pyvo.__version__} "
    f"{requests.utils.default_user_agent()}"
)
"""Who asks, as the IVOA note on software identification wants it."""

TIMEOUT = (30.0, 120.0)
"""Longest wait for a connection, and for the next bytes [s]."""

_BUSY = (429, 500, 502, 503, 504)
_LONGEST_BACKOFF = 300.0
_LONGEST_RETRY_AFTER = 3600.0
_WORTH_TELLING = 10.0


class PatientRetry(Retry):
    """
    Waits as `Retry` computes, and lets the requests of other workers wait as well.

    Parameters
    ----------
    *args, **kwargs
        Those of `urllib3.util.Retry`.
    """

    limiter: RateLimiter

    def new(self, **kw: Any) -> Self:
        """Copy it."""
        retry = super().new(**kw)
        retry.limiter = self.limiter
        return retry

    def sleep(self, response: BaseHTTPResponse | None = None) -> None:
        """
        Wait as long as the answer asks (Retry-After), else ever longer.

        Parameters
        ----------
        response : urllib3.BaseHTTPResponse or None
            The answer, if there was one.
        """
        asked = None if response is None else self.get_retry_after(response)
        seconds = self.get_backoff_time() if asked is None else asked
        seconds = min(seconds, _LONGEST_RETRY_AFTER)
        if seconds >= _WORTH_TELLING:
            logger.warning("waiting %.0f s for the archive", seconds)
        self.limiter.delay(seconds)
        self.limiter.wait()


class _PacedAdapter(HTTPAdapter):
    def __init__(self, retry: PatientRetry, n_connections: int) -> None:
        super().__init__(max_retries=retry, pool_maxsize=n_connections)
        self._limiter = retry.limiter

    def send(self, *args: Any, **kwargs: Any) -> requests.Response:
        self._limiter.wait()
        if kwargs.get("timeout") is None:  # pyvo gives none
            kwargs["timeout"] = TIMEOUT
        response: requests.Response = super().send(*args, **kwargs)
        return response


def build_retry(limiter: RateLimiter, n_retries: int) -> PatientRetry:
    """
    Say how often and when a request is made again.

    Parameters
    ----------
    limiter : RateLimiter
        Shared by all requests.
    n_retries : int
        Failures of one request that are forgiven.

    Returns
    -------
    retry : PatientRetry
        For lost connections and the statuses of a busy server (429, 5xx).
    """
    retry = PatientRetry(
        total=n_retries,
        status_forcelist=_BUSY,
        # A query changes nothing, though it is sent by POST.
        allowed_methods={"GET", "HEAD", "POST"},
        backoff_factor=1.0,
        backoff_jitter=0.5,
        backoff_max=_LONGEST_BACKOFF,
        raise_on_status=False,
    )
    retry.limiter = limiter
    return retry


def open_session(retry: PatientRetry, n_workers: int) -> requests.Session:
    """
    Open a session that all workers share.

    Parameters
    ----------
    retry : PatientRetry
        From `build_retry`; its rate limiter is that of all requests.
    n_workers : int
        Connections at most.

    Returns
    -------
    session : requests.Session
        To be closed by the caller.
    """
    session = requests.Session()
    # What it says of every attempt is said once, if all of them fail.
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)
    session.headers["User-Agent"] = USER_AGENT
    # Sizes and ranges are those of the file, not of a compressed answer.
    session.headers["Accept-Encoding"] = "identity"
    for scheme in ("http://", "https://"):
        session.mount(scheme, _PacedAdapter(retry, n_workers))
    return session
