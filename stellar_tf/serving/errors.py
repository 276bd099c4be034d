"""What can go wrong, before the server is up and after."""

from __future__ import annotations

from tfrecords_tools.errors import UserError

_MAX_REASON = 500
"""Letters: gRPC has 8 kB for all headers of an answer, and 12 bytes for some."""


class ServingError(UserError):
    """The model cannot be served as asked."""


def describe(error: Exception) -> str:
    """
    Say what is wrong with a request, whatever names it has.

    Parameters
    ----------
    error : Exception
        Its message may repeat what the client wrote.

    Returns
    -------
    reason : str
        The message, of some hundred letters at most.
    """
    reason = str(error)
    return reason if len(reason) <= _MAX_REASON else f"{reason[:_MAX_REASON]}..."
