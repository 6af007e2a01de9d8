"""Path, space and label under a header or in single quotes; JSON whose keys are columns, classes or neither."""

from __future__ import annotations

import pytest

from endoeval.splits.read import read

ROWS = [(f"my set/case {p}/f {i}.jpg", ("polyp", "normal")[(p + i) % 2]) for p in range(8) for i in range(4)]
NAMES = [name.removeprefix("my set/") for name, _ in ROWS]
SPACED = {
    "header": "path label\n" + "".join(f"{n} {w}\n" for n, w in ROWS),
    "header, quoted paths": "path label\n" + "".join(f'"{n}" {w}\n' for n, w in ROWS),
    "header, numbers": "file class\n" + "".join(f"{n} {('polyp', 'normal').index(w)}\n" for n, w in ROWS),
    "header of three": "file_name class-name patient\n" + "".join(f"{n} {w} p{n[12]}\n" for n, w in ROWS),
    "header, label of two words": "path label\n" + "".join(f"{n} a {w}\n" for n, w in ROWS),
    "single quotes": "".join(f"'{n}' {w}\n" for n, w in ROWS),
    "single quotes, header": "path label\n" + "".join(f"'{n}' {w}\n" for n, w in ROWS),
    "single quotes, numbers": "".join(f"'{n}' {('polyp', 'normal').index(w)}\n" for n, w in ROWS),
}


@pytest.mark.parametrize("form", sorted(SPACED))
def test_a_path_and_a_label_parted_by_a_space_may_have_a_header_and_single_quotes(form, tmp_path):
    path = tmp_path / "l.txt"
    path.write_text(SPACED[form])
    table = read(path)
    assert table.names == NAMES
    assert table.labels is not None
    assert [label.removeprefix("a ") for label in table.labels] == [
        str(("polyp", "normal").index(w)) if "numbers" in form else w for _, w in ROWS
    ]
    assert ("with a header" in table.understood[0]) == ("header" in form)
    assert table.groups == ([f"p{i // 4}" for i in range(32)] if form == "header of three" else None)


def test_names_without_an_ending_under_a_header_keep_their_numbers_as_labels(tmp_path):
    path = tmp_path / "l.txt"
    path.write_text("name label\n" + "".join(f"case{p}_{i} {i % 2}\n" for p in range(4) for i in range(4)))
    table = read(path)
    assert table.names[:2] == ["case0_0", "case0_1"]
    assert table.labels == [str(i % 2) for _ in range(4) for i in range(4)]
