"""HTTP with patience and manners."""

from __future__ import annotations

import io
import logging
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urljoin

import pyvo
import requests
from requests.adapters import HTTPAdapter
from urllib3.response import HTTPResponse
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
_MAX_ANSWER = 2**25
"""Bytes of an answer to a query or of links; a page of products has 5 million."""
_CHUNK = 2**16


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
        is_file = kwargs.get("stream") and response.request.method == "GET"
        return response if is_file else self._read_whole(response)

    def _read_whole(self, response: requests.Response) -> requests.Response:
        """Read what is parsed in memory, however long it says that it is."""
        content = bytearray()
        with response:
            for chunk in response.iter_content(_CHUNK):
                content += chunk
                if len(content) > _MAX_ANSWER:
                    raise requests.RequestException(
                        f"an answer of more than {_MAX_ANSWER} bytes"
                    )
        headers = response.raw.headers.copy()
        headers.discard("Content-Encoding")  # it is undone
        raw = HTTPResponse(
            io.BytesIO(content),
            headers=headers,
            status=response.status_code,
            reason=response.reason,
            preload_content=False,
        )
        whole: requests.Response = self.build_response(response.request, raw)
        return whole


class _SafeSession(requests.Session):
    """Never led from an encrypted connection to one that everybody can change."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        target: str | None = super().get_redirect_target(resp)
        if target is None or not resp.url.lower().startswith("https:"):
            return target
        if urljoin(resp.url, target).lower().startswith("https:"):
            return target
        raise requests.exceptions.InvalidSchema(
            f"{resp.url} leads away from https, to {target[:200]}"
        )


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
    session = _SafeSession()
    # What it says of every attempt is said once, if all of them fail.
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)
    session.headers["User-Agent"] = USER_AGENT
    # Sizes and ranges are those of the file, not of a compressed answer.
    session.headers["Accept-Encoding"] = "identity"
    for scheme in ("http://", "https://"):
        session.mount(scheme, _PacedAdapter(retry, n_workers))
    return session
