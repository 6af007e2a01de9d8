"""One dataclass a command: its signature, the strength of what is said where, its fingerprint, its TOML."""

from __future__ import annotations

import dataclasses
import logging
import shlex
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from endoshards.errors import BadOption
from endoshards.settings import command, config_fingerprint, load, one_of, option, to_line, to_toml, what


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A config with each type that a field may have."""

    inputs: tuple[Path, ...] = option(dataclasses.MISSING, "What to read.", how=True, argument=True)
    out: Path = option(Path("out"), "Folder to write.", how=True)
    fps: float = option(1.0, "Frames a second.")
    limit: int | None = option(None, "Only the first N.")
    decoder: Literal["pyav", "decord"] = option("pyav", "Which decoder.")
    box: tuple[int, int] = option((3, 4), "Width and height.")
    words: tuple[str, ...] = option((), "Words; repeatable.")
    sharp: bool = option(True, "Keep sharp ones only.")
    kinds: tuple[str, ...] = option(("a",), "Kinds.", flag="--kind")

    def __post_init__(self) -> None:
        if self.fps <= 0:
            raise BadOption(f"--fps is {self.fps:g}; a number above 0 is wanted.")
        one_of("kind", self.kinds, Literal["a", "b"])


def run(*line: str):
    """The command line as typed; gives (result, config or None)."""
    seen: list[Drawn] = []
    app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command("draw")(command(Drawn, seen.append, "Draw it."))
    app.command("other")(lambda: None)
    result = CliRunner().invoke(app, ["draw", *line])
    return result, (seen[0] if seen else None)


def test_a_line_becomes_a_config_of_the_fields_own_types() -> None:
    result, config = run(
        "a.mp4", "b.mp4", "--out", "x", "--fps", "2", "--limit", "3", "--decoder", "decord", "--box", "5", "6",
        "--words", "u", "--words", "v", "--no-sharp", "--kind", "b",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert config == Drawn(
        inputs=(Path("a.mp4"), Path("b.mp4")),
        out=Path("x"),
        fps=2.0,
        limit=3,
        decoder="decord",
        box=(5, 6),
        words=("u", "v"),
        sharp=False,
        kinds=("b",),
    )


def test_what_is_not_said_has_its_default() -> None:
    assert run("a.mp4")[1] == Drawn(inputs=(Path("a.mp4"),))


def test_help_says_each_field_once_with_its_default() -> None:
    text = " ".join(run("--help")[0].output.split())
    for words in (
        "Draw it.", "Frames a second. [default: 1.0]", "Width and height. [default: 3 4]", "--sharp / --no-sharp",
        "Keep sharp ones only. [default: on]", "pyav|decord", "Only the first N. --decoder", "--kind", "--print-config",
    ):  # fmt: skip
        assert words in text
    assert "None" not in text


def test_the_line_is_stronger_than_the_file_the_file_than_the_recipe_the_recipe_than_the_default(tmp_path) -> None:
    file = tmp_path / "c.toml"
    file.write_text('fps = 3.0\nlimit = 9\nwords = ["file"]\n')
    config = load(
        Drawn,
        {"inputs": ("a",), "fps": 4.0, "limit": None},
        file,
        base={"fps": 2.0, "limit": 8, "words": ("recipe",), "decoder": "decord"},
    )
    assert (config.fps, config.limit, config.words, config.decoder, config.box) == (4.0, 9, ("file",), "decord", (3, 4))
    result, config = run("a.mp4", "--config", str(file), "--fps", "5")
    assert result.exit_code == 0
    assert (config.fps, config.limit, config.words, config.box) == (5.0, 9, ("file",), (3, 4))


def test_false_on_the_line_is_stronger_than_true_in_the_file(tmp_path) -> None:
    file = tmp_path / "c.toml"
    file.write_text("sharp = true\n")
    assert run("a", "--config", str(file), "--no-sharp")[1].sharp is False


def test_printed_config_is_a_config_file_of_the_same_config(tmp_path) -> None:
    result, config = run("a.mp4", "--fps", "0.5", "--words", 'it"s', "--print-config")
    assert config is None
    file = tmp_path / "c.toml"
    file.write_text(result.output)
    assert load(Drawn, {}, file) == Drawn(inputs=(Path("a.mp4"),), fps=0.5, words=('it"s',))
    assert "# limit =\n" in result.output
    assert "# Frames a second.\nfps = 0.5\n" in result.output


@given(
    fps=st.floats(min_value=1e-3, max_value=1e6),
    limit=st.none() | st.integers(-(2**60), 2**60),
    words=st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=3),
    sharp=st.booleans(),
)
def test_toml_holds_whatever_a_config_holds(fps, limit, words, sharp) -> None:
    config = Drawn(inputs=(Path("a"),), fps=fps, limit=limit, words=tuple(words), sharp=sharp)
    said = tomllib.loads(to_toml(config))
    assert load(Drawn, said) == config


@pytest.mark.parametrize(
    ("toml", "text"),
    [
        ("fsp = 1.0", "'fsp' is no setting of Drawn; did you mean fps?"),
        ("zzz = 1.0", "'zzz' is no setting of Drawn; known: box, decoder"),
        ('fps = "fast"', "fps is 'fast'; float is wanted."),
        ("fps = true", "fps is True; float is wanted."),
        ("limit = 1.5", "limit is 1.5; int is wanted."),
        ("limit = true", "limit is True; int is wanted."),
        ('decoder = "gst"', "decoder is 'gst'; allowed: pyav, decord."),
        ("box = [1]", "box has 1 values; 2 are wanted."),
        ("box = 1", "box is 1; a list is wanted."),
        ('words = "u"', "words is 'u'; a list is wanted."),
        ("words = [1]", "words is 1; str is wanted."),
        ("fps = 0", "--fps is 0; a number above 0 is wanted."),
        ('kinds = ["c"]', "--kind has 'c'; allowed: a, b."),
        ("fps = ", "is not TOML"),
    ],
)
def test_a_file_with_a_fault_is_refused_with_the_value(tmp_path, toml, text) -> None:
    file = tmp_path / "c.toml"
    file.write_text(toml)
    with pytest.raises(BadOption) as caught:
        load(Drawn, {"inputs": ("a",)}, file)
    assert text in str(caught.value)
    assert caught.value.exit_code == 2


def test_no_file_and_a_missing_value_are_named(tmp_path) -> None:
    with pytest.raises(BadOption, match="no such file"):
        load(Drawn, {"inputs": ("a",)}, tmp_path / "none.toml")
    with pytest.raises(BadOption, match="inputs must be given, on the line or in the config file"):
        load(Drawn, {})


def test_a_line_with_a_fault_ends_with_exit_code_2() -> None:
    for line in (("a", "--fps", "fast"), ("a", "--decoder", "gst"), ("a", "--none"), ("a", "--box", "1")):
        assert run(*line)[0].exit_code == 2


def test_a_line_says_what_is_not_at_its_default_and_gives_the_same_config() -> None:
    assert to_line(Drawn(inputs=(Path("my videos"), Path("b")))) == "'my videos' b"
    config = Drawn(inputs=(Path("a"),), fps=2.5, limit=3, box=(1, 2), words=("x y", "z"), sharp=False, kinds=("a", "b"))
    line = to_line(config)
    assert line == "a --fps 2.5 --limit 3 --box 1 2 --words 'x y' --words z --no-sharp --kind a --kind b"
    got: list[Drawn] = []
    app = typer.Typer()
    app.command()(command(Drawn, got.append, "Draw."))
    app(shlex.split(line), standalone_mode=False)
    assert got == [config]


def test_our_log_is_shown_when_asked_for_and_nobody_else_s(capsys: pytest.CaptureFixture[str]) -> None:
    def run(_: Drawn) -> None:
        logging.getLogger("endocur").info("extract: %s", {"event": "start"})
        logging.getLogger("other").warning("of another library")
        sys.stderr.write("done\n")

    app = typer.Typer()
    app.command()(command(Drawn, run, "Draw."))
    for words, shown in ((["a"], ""), (["a", "-v"], "extract: {'event': 'start'}\n")):
        app(words, standalone_mode=False)
        said = capsys.readouterr().err
        assert said.replace("of another library\n", "") == f"{shown}done\n"


def test_how_enters_no_fingerprint_and_what_does() -> None:
    base = Drawn(inputs=(Path("a"),))
    assert what(base) == {
        "fps": 1.0, "limit": None, "decoder": "pyav", "box": [3, 4], "words": [], "sharp": True, "kinds": ["a"],
    }  # fmt: skip
    same = dataclasses.replace(base, inputs=(Path("b"),), out=Path("elsewhere"))
    assert config_fingerprint(same) == config_fingerprint(base)
    others = [{"fps": 2.0}, {"limit": 1}, {"decoder": "decord"}, {"box": (4, 3)}, {"words": ("u",)}, {"sharp": False}]
    assert (
        len({config_fingerprint(dataclasses.replace(base, **more)) for more in others} | {config_fingerprint(base)})
        == 7
    )


def test_the_shared_ground_loads_the_standard_library_only() -> None:
    code = (
        "import sys; import endoshards.errors, endoshards.files, endoshards.settings\n"
        "print(sorted(name for name in ('numpy', 'pyarrow', 'torch', 'cv2', 'typer', 'rich', 'xxhash', 'jinja2') "
        "if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
