"""What an audit says: verdict, JSON, Markdown, page; and what leaves with `--share`."""

import json
import re

import pytest

from endoeval.report.audit_files import as_json, markdown, write_audit, write_lists
from endoeval.report.audit_page import audit_page
from endoeval.report.audit_words import NO_GROUPS, state, verdict, without_names
from endoeval.splits import audit
from endoeval.splits.propose import propose
from endoeval.splits.rows import SPLITS
from endomae.commands.audit_split import run
from endomae.configs import AuditSplitConfig
from endoshards.errors import CheckFailed

GROUPS = {f"case{g}/{g:02}x{i}.png": f"patient-{g}" for g in range(20) for i in range(4)}
ROWS = [(name, "polyp" if int(group[8:]) % 2 else "normal") for name, group in GROUPS.items()]
APART = ROWS[:48], ROWS[48:]
MIXED = ROWS[::2], ROWS[1::2]


def made(lists, **more):
    return audit(lists[0], lists[1], groups=GROUPS, **more)


def test_lists_that_are_apart_are_clean():
    found = made(APART)
    assert state(found) == "clean"
    apart, blind, best = verdict(found)
    assert apart.startswith("No check found a fault")
    assert blind == "Without a pixel, the largest class is right on 50.0 % of the test rows."
    assert best.startswith("32 test rows are 8 groups: at accuracy 0.8 expect an interval of ± ")


def test_shared_groups_come_first_in_the_verdict_and_the_published_score_second():
    found = made(MIXED, published=0.9)
    assert state(found) == "faults found"
    apart, blind, _ = verdict(found)
    assert apart.startswith("20 of the 20 groups of test stand in train as well")
    assert (
        blind == "The published 0.9000 is below the group lookup (1.0000): this list cannot show that pixels were used."
    )


def test_without_a_group_key_it_is_never_clean():
    names = "alfa bravo charlie delta echo foxtrot golf hotel india juliett kilo lima".split()
    rows = [(f"{name}.png", "ab"[i % 2]) for i, name in enumerate(names)]
    found = audit(rows[:8], rows[8:])
    assert state(found) == NO_GROUPS
    assert verdict(found)[0] == "No group key: independence cannot be shown."
    for text in (markdown(found), audit_page(found)):
        assert "clean" not in text


def test_a_key_that_joins_nothing_is_no_key():
    alone = audit(*APART, groups={name: name for name in GROUPS})
    assert state(alone) == NO_GROUPS
    apart, _, best = verdict(alone)
    assert apart == "No group key: independence cannot be shown."
    assert best.startswith("No group key, so nobody knows how many patients stand behind 32 test rows: ")
    assert alone.power.groups is None


def test_the_json_is_the_schema_of_the_docs(request):
    page = (request.config.rootpath / "docs/audit-split.md").read_text("utf-8")
    keys = {key for line in re.findall(r"^\| (`.*?) \|", page, re.MULTILINE) for key in re.findall(r"`(\w+)`", line)}
    found = as_json(made(MIXED))
    assert set(found) == keys - {"audit"}
    assert json.loads(json.dumps(found))["state"] == "faults found"


def test_rows_and_groups_of_each_class_stand_by_split():
    more = {"case90/a.png": "patient-20", "case90/b.png": "patient-20"}
    train = [*APART[0], *((name, "rare|one") for name in more)]
    found = audit(train, APART[1], groups=GROUPS | more)
    table = [tuple(cell.values()) for cell in as_json(found)["class_table"]]
    assert table == [
        ("normal", "train", 24, 6), ("normal", "test", 16, 4), ("polyp", "train", 24, 6), ("polyp", "test", 16, 4),
        ("rare|one", "train", 2, 1), ("rare|one", "test", 0, 0),
    ]  # fmt: skip
    text = markdown(found)
    assert "| class | train rows | train groups | test rows | test groups |\n" in text
    assert "| rare\\|one | 2 | 1 | 0 | 0 |\n" in text
    assert "Rows and groups a class" in audit_page(found)
    unknown = audit([("alfa.png", "a"), ("bravo.png", "b")], [("kilo.png", "a"), ("lima.png", "b")])
    assert [cell["groups"] for cell in as_json(unknown)["class_table"]] == [None] * 4


def test_what_is_shared_holds_no_name_of_a_row_or_group(tmp_path):
    found = made(MIXED)
    write_audit(found, tmp_path, share=True)
    names = {*GROUPS, *GROUPS.values(), *(name.rpartition("/")[2] for name in GROUPS)}
    for file in ("audit.json", "audit.md", "audit.html"):
        text = (tmp_path / file).read_text("utf-8")
        assert [name for name in names if name in text] == []
    assert "20 of the 20 groups" in (tmp_path / "audit.md").read_text("utf-8")
    shared = without_names(found)
    assert all(finding.examples == () for finding in shared.findings)


@pytest.mark.parametrize("given", ["groups", "group_pattern"])
def test_what_is_shared_names_no_table_and_no_pattern(tmp_path, capsys, given):
    hospital = tmp_path / "SecretHospital"
    hospital.mkdir()
    for word, part in zip(("train", "test"), MIXED, strict=True):
        (hospital / f"{word}.csv").write_text("file,label\n" + "".join(f"{n},{label}\n" for n, label in part))
    table = hospital / "Mueller.csv"
    table.write_text("file,group\n" + "".join(f"{name},{group}\n" for name, group in GROUPS.items()))
    options = {"groups": table} if given == "groups" else {"group_pattern": r"(case12(?=/)|case\d+)"}
    config = AuditSplitConfig(
        train=hospital / "train.csv", test=hospital / "test.csv", share=True, out=tmp_path / "out", **options
    )
    with pytest.raises(CheckFailed) as said:
        run(config)
    texts = [(tmp_path / "out" / f"audit.{kind}").read_text("utf-8") for kind in ("json", "md", "html")]
    word = "a table" if given == "groups" else "a pattern"
    assert all(word in text for text in texts)
    texts += [capsys.readouterr().out, str(said.value)]
    assert [name for name in ("Secret", "Mueller", "case12") for text in texts if name in text] == []


def test_the_page_draws_a_lane_a_split_and_escapes_names():
    groups = {name: f"<{group}>" for name, group in GROUPS.items()}
    page = audit_page(audit(*MIXED, groups=groups))
    assert "&lt;patient-3&gt;" in page
    assert "<patient-3>" not in page
    assert "20 of 20 groups stand in more than one split" in page
    assert "<script" not in page
    assert not re.search(r"(src|href)=\"http", page)


def test_equal_audits_give_equal_bytes(tmp_path):
    for folder in ("a", "b"):
        write_audit(made(MIXED), tmp_path / folder)
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


@pytest.mark.parametrize("lists", [APART, MIXED], ids=["apart", "mixed"])
def test_proposed_lists_read_again_are_clean(tmp_path, lists):
    found = made(lists)
    files = write_lists(propose(found.rows).rows, tmp_path)
    assert [path.name for path in files] == ["train.csv", "test.csv"]
    again = audit(*files, group_column="group")
    assert state(again) == "clean"
    assert len(again.rows.names) == len(ROWS)


def test_a_list_of_an_earlier_proposal_does_not_stand_beside_a_new_one(tmp_path):
    (tmp_path / "val.csv").write_text("old")
    write_lists(propose(made(MIXED).rows).rows, tmp_path)
    assert not (tmp_path / "val.csv").exists()


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "published", "faults", "best"),
    [("surgrec_hyperkvasir", 0.5528, 3, "1.0000"), ("surgrec_colonoscopic", 0.7333, 3, "0.8667")],
)
def test_published_lists_say_what_is_known_of_them_and_are_clean_once_proposed(
    shared_data, tmp_path, name, published, faults, best
):
    folder = shared_data / "splits" / name
    found = audit(*(folder / f"{word}.csv" for word in ("train", "test", "val")), published=published)
    assert sum(finding.kind == "fault" for finding in found.findings) == faults
    assert f"below the group lookup ({best})" in verdict(found)[1]
    files = {path.stem: path for path in write_lists(propose(found.rows).rows, tmp_path)}
    assert list(files) == list(SPLITS)
    assert state(audit(files["train"], files["test"], files["val"], group_column="group")) == "clean"


def test_a_test_list_alone_is_never_clean():
    found = audit(APART[1], groups=GROUPS)
    assert state(found) == "one split only: independence cannot be shown"
    assert verdict(found)[0] == "One split only: independence cannot be shown."


def test_lists_of_boxes_are_split_by_frame_and_read_again_clean(tmp_path):
    lines = [f"{name},{group},100,100,30,30,60,{60 + k}" for name, group in GROUPS.items() for k in range(2)]
    for word, part in (("train", lines[:100]), ("test", lines[90:])):
        (tmp_path / f"{word}.csv").write_text("file,group,height,width,xmin,ymin,xmax,ymax\n" + "\n".join(part) + "\n")
    found = audit(tmp_path / "train.csv", tmp_path / "test.csv", group_column="group")
    assert found.box is not None
    assert found.faults
    files = write_lists(propose(found.rows).rows, tmp_path / "clean")
    listed = [line for path in files for line in path.read_text().splitlines()[1:]]
    assert sorted(line.split(",")[0] for line in listed) == sorted(GROUPS)
    assert state(audit(*files, group_column="group")) == "clean"


def test_keys_that_name_their_own_list_are_never_clean():
    """Numbers that begin anew in each list may be other patients or the same: nobody can tell."""
    lists = [
        [(f"{s}_case{c:02}_{k}.jpg", "ab"[c % 2]) for c in range(n) for k in range(4)]
        for s, n in (("train", 20), ("test", 12))
    ]
    found = audit(*lists)
    assert [finding.check for finding in found.findings] == ["own-words"]
    assert state(found) == "group keys that name their own list: independence cannot be shown"
