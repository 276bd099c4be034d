"""The base of all errors that a user can mend."""


class UserError(ValueError):
    """
    A mistake in what the user gave, told in one line.

    The message names the file, key or argument and what to do. The command line prints
    it and exits with status 2; everything else is a defect and keeps its traceback.
    """


def ask_for_extra(package: str, extra: str) -> str:
    """
    Say how a package is had that only some functions need.

    Parameters
    ----------
    package : str
        What is missing.
    extra : str
        The extra of stellar-tf that brings it.

    Returns
    -------
    message : str
        One line. It names the sources, since stellar-tf is not on PyPI.
    """
    return (
        f"needs {package}: run pip install '.[{extra}]' in the folder of stellar-tf's "
        f"sources"
    )
