"""The panel's form: texts into an ImageSpec and back, secrets hidden, code to take away."""

from __future__ import annotations

import html
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from flytekit import ImageSpec
from flytekit.constants import CopyFileDetection
from hypothesis import example, given
from hypothesis import strategies as st
from playwright._impl._driver import compute_driver_executable

from envd_magic.panel.browser import LogView
from envd_magic.panel.code import as_cell, as_python, as_yaml
from envd_magic.panel.form import Form
from envd_magic.panel.masking import BULLETS
from envd_magic.panel.values import Unreadable, from_text, to_text
from envd_magic.spec.cell import spec_from_cell
from envd_magic.spec.fields import FIELDS
from envd_magic.spec.yaml_form import specs_from_yaml
from envd_magic.view.highlight import code_html

SCRIPT = Path(__file__).parent.parent / "envd_magic" / "panel" / "static" / "panel.js"
SPEC = ImageSpec(
    name="trainer",
    registry="localhost:5000",
    packages=["pandas>=2", 'tomli ; python_version < "3.11"'],
    apt_packages=["git"],
    env={"SEED": "7", "TEXT": "two\nlines"},
    commands=["echo 'a  b'", "cat <<X\nhi\nX"],
    entrypoint=[],
    pip_secret_mounts=[("/etc/hostname", "/run/secrets/x")],
    builder_options={"installer": "pip"},
    platform="linux/amd64,linux/arm64",
)


def filled(**texts: str) -> Form:
    """Give a form in which somebody has typed."""
    form = Form({})
    form.texts.update(texts)
    return form


def test_a_spec_comes_out_of_the_form_as_it_went_in() -> None:
    form = Form({})
    form.fill(SPEC)
    assert form.read().spec == SPEC


def test_what_is_wrong_with_the_other_fields_is_told_beside_a_registry_that_is_none() -> None:
    reading = filled(name="A B", registry="http://x", packages="pandas>>2").read()
    assert reading.spec is None
    assert {problem.field for problem in reading.problems} >= {"name", "registry", "packages"}


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), min_size=1))
def test_every_command_comes_out_as_it_went_in(commands: list[str]) -> None:
    assert from_text("commands", to_text("commands", commands), {}) == commands


@given(
    st.dictionaries(
        st.from_regex(r"\A[A-Z_]{1,8}\Z"),
        st.text(st.characters(exclude_categories=["Cs"])),
        min_size=1,
    )
)
def test_every_variable_comes_out_as_it_went_in(env: dict[str, str]) -> None:
    assert from_text("env", to_text("env", env), {}) == env


def test_options_keep_their_types() -> None:
    options = {"a": "x", "b": 3, "c": "3", "d": True, "e": [1, 2], "f": None}
    shown = to_text("builder_config", options)
    assert from_text("builder_config", shown, {}) == {**options, "f": "null"}


def test_a_pasted_requirements_file_loses_its_comments() -> None:
    form = filled(packages="# why\npandas>=2  # because\n\nattrs\n")
    spec = form.read().spec
    assert spec is not None
    assert spec.packages == ["pandas>=2", "attrs"]


def test_an_empty_form_is_an_image_of_the_default_base() -> None:
    assert Form({}).read().spec == ImageSpec()


def test_two_brackets_remove_the_entrypoint() -> None:
    spec = filled(entrypoint="[]").read().spec
    assert spec is not None
    assert spec.entrypoint == []


def test_source_copy_mode_is_chosen_by_its_name(tmp_path: Path) -> None:
    spec = filled(source_copy_mode="ALL", source_root=str(tmp_path)).read().spec
    assert spec is not None
    assert spec.source_copy_mode is CopyFileDetection.ALL


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("packages", "pandas >>2"),
        ("name", "no good"),
        ("env", "no value"),
        ("pip_secret_mounts", "only a source"),
        ("requirements", "/there/is/no.txt"),
        ("base_image", "spec: nobody"),
        ("builder_options", "instaler=uv"),
    ],
)
def test_what_is_wrong_is_said_for_its_field(field: str, text: str) -> None:
    reading = filled(**{field: text}).read()
    assert not reading.ready
    assert reading.of(field)


def test_other_fields_problems_are_told_at_once() -> None:
    reading = filled(packages="a b c", apt_packages="UPPER case", name="x y").read()
    assert all(reading.of(name) for name in ("packages", "apt_packages", "name"))


def test_a_base_image_can_be_a_spec_of_the_notebook() -> None:
    base = ImageSpec(name="base", packages=["attrs"])
    form = Form({"base": base})
    form.texts["base_image"] = "spec: base"
    spec = form.read().spec
    assert spec is not None
    assert spec.base_image is base


def test_a_base_spec_that_no_variable_holds_is_kept() -> None:
    base = ImageSpec(name="base", packages=["attrs"])
    form = Form({})
    form.fill(ImageSpec(name="x", base_image=base))
    spec = form.read().spec
    assert spec is not None
    assert spec.base_image is base


def test_a_secret_value_is_hidden_and_kept() -> None:
    form = Form({})
    form.fill(ImageSpec(env={"API_TOKEN": "hunter22", "SEED": "7"}))
    assert form.texts["env"] == f"API_TOKEN={BULLETS}\nSEED=7"
    spec = form.read().spec
    assert spec is not None
    assert spec.env == {"API_TOKEN": "hunter22", "SEED": "7"}


def test_what_is_typed_after_the_bullets_is_added() -> None:
    form = Form({})
    form.texts["env"] = form.hidden.hide("API_TOKEN=hunter")
    form.texts["env"] += "22"
    spec = form.read().spec
    assert spec is not None
    assert spec.env == {"API_TOKEN": "hunter22"}


def test_deleted_bullets_are_no_value() -> None:
    form = Form({})
    form.texts["env"] = form.hidden.hide("API_TOKEN=hunter22")[:-2]
    assert "type it anew" in form.read().of("env")[0].message


def test_text_that_stands_for_nothing_names_what_was_expected() -> None:
    with pytest.raises(Unreadable, match="expected NAME=value"):
        from_text("env", "x", {})


def test_every_field_has_a_label_of_its_own() -> None:
    assert len({field.label for field in FIELDS}) == len(FIELDS)


def test_the_cell_makes_the_same_spec() -> None:
    assert spec_from_cell(as_cell(SPEC, "trainer").partition("\n")[2], {}) == SPEC


def test_the_script_makes_the_same_spec() -> None:
    scope: dict[str, Any] = {}
    exec(as_python(SPEC, "trainer"), scope)  # noqa: S102 - what it gives is to be run
    assert scope["trainer"] == SPEC


def test_the_yaml_makes_the_same_spec() -> None:
    assert specs_from_yaml(as_yaml(SPEC)).items[0][1] == SPEC


def test_code_for_a_copied_source_brings_its_import(tmp_path: Path) -> None:
    spec = ImageSpec(source_root=str(tmp_path), source_copy_mode=CopyFileDetection.ALL)
    assert spec_from_cell(as_cell(spec, "").partition("\n")[2], {}) == spec


@pytest.mark.parametrize("form", [as_python, as_cell, as_yaml])
def test_code_has_no_secret(form: Any) -> None:
    spec = ImageSpec(env={"API_TOKEN": "hunter22"}, pip_index="https://me:swordfish@x.org/simple")
    text = form(spec, "trainer")
    assert "hunter22" not in text
    assert "swordfish" not in text


def test_changed_lines_are_marked() -> None:
    shown = code_html("a = 1\nb = 3\nc = 4\n", "python", before="a = 1\nb = 2\nc = 4\n")
    assert shown.count("<ins>") == 1
    assert "3" in shown.partition("<ins>")[2].partition("</ins>")[0]


@given(st.text())
@example("\r")
@example("\ufeffa\n\n")
def test_no_code_becomes_markup(text: str) -> None:
    shown = code_html(text, "yaml").partition("</style>")[2]
    tags = re.sub(r"<(/?)(pre|span|ins)( [^<>]*)?>", "", shown)
    assert "<" not in tags
    # As pygments reads it; the line break at the end is no line.
    read = text.replace("\r\n", "\n").replace("\r", "\n").removeprefix("\ufeff")
    assert html.unescape(tags) == read.removesuffix("\n")


def javascript(expression: str) -> Any:
    """Evaluate an expression with the panel's script, in node."""
    # The node that playwright brings along.
    node, _ = compute_driver_executable()
    source = SCRIPT.read_text(encoding="utf-8").replace("export default", "export const part =")
    program = f"{source}\nconsole.log(JSON.stringify({expression}));"
    ran = subprocess.run(
        [node, "--input-type=module", "-e", program], capture_output=True, text=True, check=True
    )
    return json.loads(ran.stdout)


PIECES = """(() => {
  const lines = new Lines();
  const bytes = new TextEncoder().encode(%s);
  const cuts = %s;
  for (const [from, to] of cuts) lines.take(from, bytes.subarray(from, to));
  return Array.from({ length: lines.count }, (_, n) => lines.at(n));
})()"""


def test_pieces_of_the_log_become_its_lines_wherever_they_are_cut() -> None:
    text = json.dumps("één\ntwo\nthree")
    assert javascript(PIECES % (text, "[[0, 1], [1, 2], [2, 7], [7, 15]]")) == [
        "één",
        "two",
        "three",
    ]


def test_pieces_that_come_twice_are_taken_once() -> None:
    text = json.dumps("one\ntwo\nthree\n")
    assert javascript(PIECES % (text, "[[0, 8], [0, 14], [4, 14]]")) == ["one", "two", "three"]


def test_redrawn_lines_show_their_end_and_no_control_characters() -> None:
    lines = json.dumps("#3 0.1 1%\r#3 0.1 2%\r\n\x1b[31mred\x1b[0m\x07\n")
    assert javascript(PIECES % (lines, "[[0, 99]]")) == ["#3 0.1 2%", "red"]


def test_a_log_that_somebody_deletes_stops_nothing(tmp_path: Path) -> None:
    log = tmp_path / "build.log"
    log.write_text("line\n")
    view = LogView()
    view.show(log)
    log.unlink()
    view.more()
