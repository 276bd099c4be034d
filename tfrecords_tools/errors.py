"""The base of all errors that a user can mend."""


class UserError(ValueError):
    """
    A mistake in what the user gave, told in one line.

    The message names the file, key or option and what to do. The command line prints
    it and exits with status 2; everything else is a defect and keeps its traceback.
    """
