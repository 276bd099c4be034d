from __future__ import annotations

import codecs
import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfrecords_tools.labels.text_tables import TextTable, decode_text, split_table
from tfrecords_tools.labels.values import is_number


def split(text: str, may_be_blanks: bool = False) -> TextTable:
    table = split_table(text, may_be_blanks=may_be_blanks)
    assert table is not None
    return table


@pytest.mark.parametrize(
    "content",
    [
        "größe,a\r\n5,1\r\n".encode(),
        codecs.BOM_UTF8 + "größe,a\n5,1\n".encode(),
        codecs.BOM_UTF16_LE + "größe,a\r5,1\r".encode("utf-16-le"),
        codecs.BOM_UTF16_BE + "größe,a\n5,1\n".encode("utf-16-be"),
    ],
)
def test_marks_and_ends_of_lines_do_not_matter(content):
    assert decode_text(content) == ("größe,a\n5,1\n", ())


def test_windows_text_is_told():
    text, notes = decode_text("größe,a\n".encode("cp1252"))
    assert text == "größe,a\n"
    assert notes == ("it is not UTF-8, so it is read as Windows-1252",)


@pytest.mark.parametrize(
    "content",
    ["a,b".encode("utf-16-le"), b"\xff\xfea", b"\x81\xff", b"\xff\xfe\x00\x00"],
)
def test_what_is_no_text(content):
    with pytest.raises(ValueError, match="it is no text; save it as UTF-8"):
        decode_text(content)


NAMES = st.sampled_from(["target", "teff", "sp type", "[Fe/H]", "größe", "a,b", "c;d"])
CELLS = (
    st.text(
        st.characters(
            codec="utf-8", exclude_characters="\0\r\n", exclude_categories=["Zs"]
        ),
        min_size=1,
        max_size=8,
    )
    .map(str.strip)
    .filter(lambda cell: cell and not cell.startswith(("#", "-", "=")))
)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(NAMES, min_size=2, max_size=4, unique=True),
    st.data(),
    st.sampled_from("\t;|,"),
)
def test_what_a_csv_writer_wrote_is_read_back(names, data, delimiter):
    row = st.lists(CELLS, min_size=len(names), max_size=len(names))
    rows = data.draw(st.lists(row.filter(lambda r: not is_number(r[0])), min_size=1))
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=delimiter, lineterminator="\n", quoting=1)
    writer.writerows([names, *rows])
    table = split(stream.getvalue())
    if "its first row is read as units" in table.notes:
        return  # one-letter words can be units
    assert table.names == names
    assert table.columns == [list(column) for column in zip(*rows, strict=True)]
    assert table.has_decimal_commas == (delimiter != ",")


VIZIER = """#
#   VizieR
#Column\tName\t(A8)\tName
RAJ2000\tName\tTeff\tRV
"h:m:s"\t \tK\tm/s
---------\t--------\t-----\t------
01 44 04\tHD10700\t5344\t-16597
03 32 55\tHD22049\t    \t16376

"""


@pytest.mark.parametrize("delimiter", ["\t", ";", "|"])
def test_units_and_dashes_of_vizier(delimiter):
    table = split(VIZIER.replace("\t", delimiter), may_be_blanks=True)
    assert table.names == ["RAJ2000", "Name", "Teff", "RV"]
    assert table.units == ["h:m:s", "", "K", "m/s"]
    assert table.columns[1:] == [
        ["HD10700", "HD22049"],
        ["5344", ""],
        ["-16597", "16376"],
    ]
    assert table.notes == ()


def test_a_row_of_units_may_be_empty():
    table = split("Name;N\n;\n----;--\nA;1\n")
    assert (table.names, table.units, table.columns) == (
        *(["Name", "N"], ["", ""], [["A"], ["1"]]),
    )


def test_two_tables_in_one_file_are_named():
    with pytest.raises(ValueError, match="line 15 begins another table: keep one"):
        split(VIZIER + VIZIER)


@pytest.mark.parametrize("first", [" # ", "#  "])
def test_simbad_as_text(first):
    table = split(
        "C.D.S.  -  SIMBAD4 rel 1.8\n\nNumber of objects : 2\n\n"
        f"{first}|identifier  |typ| Mag V |\n---|------------|---|-------|\n"
        "1  |HD  10700   |PM*| 3.50  |\n2  |HD  22049   |BY*|   ~   |\n====\n"
    )
    assert table.names == ["#", "identifier", "typ", "Mag V"]
    assert table.columns[3][:2] == ["3.50", "~"]


def test_markdown():
    table = split("| target | teff |\n|--------|------|\n| HD 1 | 5000 |\n")
    assert table.names == ["target", "teff"]
    assert table.columns == [["HD 1"], ["5000"]]


@pytest.mark.parametrize(
    "text",
    [
        "target,teff\nA,1\n---,---\nB,2\n",
        "target,teff\nA,x\nB,2\nC,3\nD,4\n---,---\nE,5\n",
        "target,teff\n--,--\nB,2\n",
    ],
)
def test_a_row_of_unknown_values_hides_no_others(text):
    assert "B" in split(text).columns[0]


def test_a_first_row_of_units_is_told():
    table = split("target,teff,logg,sptp\n,[K],dex,\nHD 1,5000,~,G8\n")
    assert table.units == ["", "K", "dex", ""]
    assert table.columns[1] == ["5000"]
    assert table.notes == ("its first row is read as units",)


@pytest.mark.parametrize(
    "text",
    [
        "target,teff\nHD 1,5000\n",
        "target,teff\nHD 1,K\nHD 2,5000\n",  # a star, of which something is wrong
        "target,sptp\n,K\nHD 2,K\n",
        "target,teff\n5,6\n,8\n",
        "target,teff\n",
    ],
)
def test_no_row_of_units(text):
    assert not any(split(text).units)


@pytest.mark.parametrize(
    "text",
    [
        "# NASA Exoplanet Archive\n# COLUMN teff: [K]\n#\ntarget,teff\nA,1\n#B,2\n",
        "# by me\n#target,teff\nA,1\n",
        "sep=,\ntarget,teff\nA,1\n",
        "\n\ntarget,teff,\nA,1,\n,,\n\n",
        'target,teff\n"A", 1\n',
    ],
)
def test_what_stands_around_a_table(text):
    table = split(text)
    assert (table.names, table.columns) == (["target", "teff"], [["A"], ["1"]])


def test_a_table_without_header():
    table = split("HD 1,5000\nHD 2,~\n")
    assert table.names == ["col1", "col2"]
    assert table.columns == [["HD 1", "HD 2"], ["5000", "~"]]
    assert table.notes == ("it has no header: its columns are col1 to col2",)


def test_short_rows_end_with_nothing():
    assert split("a,b,c\nx,y\n").columns == [["x"], ["y"], [""]]


def test_columns_without_name_are_numbered_but_for_the_first():
    assert split(",target,\n0,a,b\n").names == ["", "target", "col3"]


@pytest.mark.parametrize("text", ["target teff\nA 1\n", "target;n\nA,b;1\nB;2;3\n"])
def test_blanks_may_separate(text):
    assert split_table(text, may_be_blanks=True) is None


def test_a_single_column_and_nothing_at_all():
    assert split("target\nA\n").columns == [["A"]]
    assert split("\n# a\n").names == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            "a,b\nx,5344,5\n",
            "line 2 has 3 cells and the header 2; if commas are those of",
        ),
        ("#\na,b\n\nx,1,2\n", "line 4 has 3 cells"),
        ('a,b\n"x,1\ny,2\n', "line 3: unexpected end of data"),
        ('a,b\n"x"y,1\n', "line 2: ',' expected after"),
    ],
)
def test_bad_lines_are_named(text, reason):
    with pytest.raises(ValueError, match=reason):
        split(text)
