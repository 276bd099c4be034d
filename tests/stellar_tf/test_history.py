from __future__ import annotations

from pathlib import Path

import pytest

from stellar_tf.history import HistoryError, read_history
from stellar_tf.saved_model.model_card import read_training
from stellar_tf.training.callbacks import trim_history

WHOLE = "epoch,step,loss\n0,3.0,0.5\n1,6.0,0.4\n2,9.0,0.3\n"


@pytest.mark.parametrize("cut", [len(WHOLE), len(WHOLE) - 5, 20, 9, 0])
def test_what_a_kill_cuts_off_is_no_damage(cut: int, tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    path.write_text(WHOLE[:cut])
    history = read_history(path)
    assert not history.is_damaged
    rows = [line.split(",") for line in WHOLE[:cut].splitlines()[1:]]
    assert history.rows == [row for row in rows if len(row) == 3]


@pytest.mark.parametrize(
    ("content", "n_rows"),
    [
        (WHOLE.replace("6.0", "6x0").encode(), 2),
        (WHOLE.replace("1,6.0", "1;6.0").encode(), 2),
        (WHOLE.replace("step", "stup").encode(), 0),
        (WHOLE.encode().replace(b"6.0", b"\xff.0"), 2),
        (b"\xf6\x00" * 100, 0),
        (b"\0\0\n\0\0\n\0\0\n", 0),
        (b'"' + b"a" * 200_000, 0),
    ],
)
def test_damage_is_told_and_the_rest_is_read(
    content: bytes, n_rows: int, tmp_path: Path, logged: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "history.csv"
    path.write_bytes(content)
    assert len(read_history(path).rows) == n_rows
    assert f"{path}: is damaged, {n_rows} rows can be read" in logged.text
    assert read_training(path) is None  # it has no validation
    trim_history(path, 9)
    assert path.exists() == (n_rows > 0)
    assert (tmp_path / "history.damaged.csv").read_bytes() == content


def test_a_folder_is_no_history(tmp_path: Path) -> None:
    (tmp_path / "history.csv").mkdir()
    with pytest.raises(HistoryError, match="is a folder, not a history; remove it"):
        trim_history(tmp_path / "history.csv", 3)
