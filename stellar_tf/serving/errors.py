"""What can go wrong before the server is up."""

from __future__ import annotations

from tfrecords_tools.errors import UserError


class ServingError(UserError):
    """The model cannot be served as asked."""
