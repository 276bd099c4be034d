"""Errors of a download."""

from __future__ import annotations

from tfrecords_tools.errors import UserError


class ArchiveError(UserError):
    """The archive cannot be asked, or the folder not be used; the message says why."""


class TransferError(Exception):
    """One file cannot be had; the message is the reason, without the file's name."""


class NoAnswerError(TransferError):
    """The archive does not answer, or only that it is busy."""


class WebPageError(NoAnswerError):
    """The archive answers with a web page, as it does when it is being mended."""


class Stopped(Exception):  # noqa: N818 (it is no error)
    """The download is to end now: nothing is wrong with this file."""
