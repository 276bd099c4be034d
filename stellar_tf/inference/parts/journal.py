"""What an encoding under way has done, so that the same command can go on."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

from stellar_tf.inference.parts.plan import PartPlan
from stellar_tf.parts import PARTS_NAME, PartInfo, has_part, read_part_list
from tfrecords_tools.conversion.folder_journal import FolderJournal
from tfrecords_tools.conversion.scan import Reject


class WrittenPart(NamedTuple):
    """What became of the spectra of a part."""

    info: PartInfo
    n_planned: int
    """Records, or files."""
    n_flagged: int
    """Rows with a flag."""
    rejects: list[Reject]


class PartsJournal(FolderJournal):
    """
    Notes of one encoding.

    Parameters
    ----------
    out : Path
        Folder of the parts to be.

    Notes
    -----
    A part is done when its note is.
    """

    work = "encoding"
    summary = PARTS_NAME

    def holds_all(self) -> bool:
        """Tell whether OUT has all parts."""
        parts = read_part_list(self._out).parts
        return all(has_part(self._out, part) for part in parts)

    def read_part(self, plan: PartPlan, folder: Path) -> WrittenPart | None:
        """
        Read the note of a part.

        Parameters
        ----------
        plan : PartPlan
            Of the part.
        folder : Path
            Where it is: the staging folder or, once it is published, the output.

        Returns
        -------
        written : WrittenPart or None
            None if the part is not done by this plan, or has vanished since.
        """
        tree = self._read(f"{plan.file}.json")
        if tree is None or tree["plan"] != _digest(plan):
            return None
        info = PartInfo.model_validate(tree["info"])
        if not has_part(folder, info):
            return None
        rejects = [Reject(Path(path), reason) for path, reason in tree["rejects"]]
        return WrittenPart(info, plan.n_planned, tree["n_flagged"], rejects)

    def write_part(self, plan: PartPlan, written: WrittenPart) -> None:
        """
        Note that a part is done.

        Parameters
        ----------
        plan : PartPlan
            By which it was written.
        written : WrittenPart
            What became of it.
        """
        tree = {
            "plan": _digest(plan),
            "info": written.info.model_dump(mode="json"),
            "n_flagged": written.n_flagged,
            "rejects": [[str(r.path), r.reason] for r in written.rejects],
        }
        self._write(f"{plan.file}.json", tree, for_good=False)


def _digest(plan: PartPlan) -> str:
    """Tell plans apart, also by the state of their files."""
    return hashlib.sha256(repr(plan).encode(errors="backslashreplace")).hexdigest()
