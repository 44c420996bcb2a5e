"""Any text, any JSON: what reads it gives a spec or says what is wrong, and nothing else."""

from __future__ import annotations

import copy
import gzip
import json
import re
from contextlib import suppress
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from flytekit import ImageSpec
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from IPython.core.error import UsageError

from envd_magic.doctor.finding import FAIL, OK, WARNING, Finding
from envd_magic.errors import EnvdMagicError, FileError
from envd_magic.forecast.diff import SpecDiff
from envd_magic.forecast.result import Plan, PlannedStep
from envd_magic.headless.cells import in_notebook
from envd_magic.headless.check import check
from envd_magic.headless.find import Source
from envd_magic.panel.controls import _said
from envd_magic.pipeline.events import Finished, Started
from envd_magic.pipeline.keep import Keeper, kept_recording
from envd_magic.pipeline.options import Options
from envd_magic.pipeline.result import Step
from envd_magic.records.recording import read_recording
from envd_magic.spec.problems import Problem
from envd_magic.spec.validate import problems_of
from envd_magic.spec.yaml_form import specs_from_yaml
from envd_magic.verification.result import OUTCOMES, Item
from envd_magic.view.cards import STATES, Card, Help, SpecLine, clean
from envd_magic.view.highlight import code_html
from envd_magic.view.html import card_html
from envd_magic.view.lines import to_html
from envd_magic.view.plans import diff_html, plan_html
from envd_magic.view.replay import replay

from .builds import FAILED, IMAGE, done, failed, running
from .notebooks import notebook

PATH = Path("/nowhere/a.ipynb")
# Together they take a few seconds.
fuzz = settings(
    max_examples=120,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work where nothing is, so that what is made up names no file."""
    monkeypatch.chdir(tmp_path)


def pieces(words: str, more: tuple[str, ...] = (" ", "\n", "\n  ", "\\", "\0", "é", "\r")) -> Any:
    """Give texts that are made of what a grammar is made of, and of anything."""
    one = st.one_of(st.sampled_from((*words.split(), *more)), st.text(max_size=4))
    return st.lists(one, max_size=25).map("".join)


PYTHON = pieces(
    "ImageSpec( ImageSpec() name= packages= env= copy= base_image= platform= registry= commands= "
    "packages=[ requirements= pip_secret_mounts=[( source_root= builder_options= tag_format= "
    "entrypoint=[] cuda= python_version= ' \" ''' [ ] { } ( ) , = == + - * ** | : := . ; # @ f' "
    "for x in if else not and lambda: None True 0 1 -1 1e999 0x 3.10 range(9) str( dict( x y "
    ".with_packages( .join( .split() .items() .force_push() CopyFileDetection.ALL import from "
    "flytekit as pass {x} {x!r} {x:9} %%time %envd !ls ?x $x await yield del global x=1 'a' ['a']"
)
LINE = pieces(
    "--name --registry --yaml --dry-run --platform --base-image --push --jobs --installer --help "
    "--context --cache-from trainer x=y {x} {{ }} {x!r} {x:y} $x ${x} $$ ' \" ` \\' -1 -- = a/b:c",
    (" ", "\\", "\0", "é"),
)
YAML = pieces(
    "name: packages: env: base_image: registry: python_version: source_copy_mode: copy: ALL "
    "pip_secret_mounts: builder_options: - ? : & &a *a << <<: ~ null true 3.10 1:2:3 2024-13-45 "
    "!!int !!binary !!timestamp !!set !!omap !!null !!python/object:os.system !a | > | %YAML --- "
    "... [ ] { } , ' \" # a b 0x 0o7 .inf 1e999 =",
    (" ", ": ", "- ", "\n", "\n  ", "\n- ", "\t", "\0", "\ud800", "é"),
)
NAMES = (
    "cells metadata nbformat nbformat_minor cell_type source id outputs envd_magic image spec_hash "
    "status finished execution_count"
)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=6)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.sampled_from(NAMES.split()) | st.text(max_size=4), inner, max_size=5),
    ),
    max_leaves=12,
)
CHANGES = st.lists(st.tuples(st.integers(0, 12), JSON), max_size=3)


def looked_at(text: str) -> None:
    """Look at a notebook as `envd-magic check` does."""
    found = Source(PATH, in_notebook(PATH, text))
    for one in found.definitions:
        assert isinstance(one.error, (EnvdMagicError, UsageError, type(None))), one.error
    found.path = Path("a.ipynb")
    assert all(finding.message for finding in check(found))


@fuzz
@given(cell=PYTHON, line=LINE, before=PYTHON)
@example(cell="name = None", line="", before="")
@example(cell="ImageSpec(registry=[1])", line="", before="")
@example(cell="ImageSpec(env={1: 2}, copy=1, base_image=1, platform=1)", line="", before="")
@example(cell="ImageSpec(name='a', pip_index=1, tag_format=1)", line="", before="")
@example(cell="ImageSpec(source_root=1, source_copy_mode=1)", line="", before="")
@example(cell="ImageSpec(packages={'a'}, requirements=1)", line="", before="")
@example(cell="ImageSpec(name='\\ud800', commands=['\\ud800'])", line="", before="")
@example(cell="a = ImageSpec()\na.x", line="{x.y}", before="x = ImageSpec()")
def test_any_cell_is_a_spec_or_told(cell: str, line: str, before: str) -> None:
    looked_at(json.dumps(notebook(before, f"%%envd_build {line}\n{cell}", f"%envd build {line}")))


@fuzz
@given(text=YAML)
@example(text="name: [a]\nregistry: {a: b}")
@example(text="env: !!set {a, b}\nname: a")
@example(text="copy: !!omap [a: b]")
@example(text="platform: !!binary YQ==")
def test_any_yaml_is_a_spec_or_told(text: str) -> None:
    with suppress(EnvdMagicError):
        for _, spec in specs_from_yaml(text).items:
            assert isinstance(spec, ImageSpec)
            assert all(str(problem) for problem in problems_of(spec))
    looked_at(json.dumps(notebook(f"%%envd_build --yaml\n{text}")))


@fuzz
@given(content=JSON, changes=CHANGES, cut=st.integers(0, 900))
@example(content=None, changes=[(4, [])], cut=0)
def test_any_json_is_a_notebook_or_told(
    content: Any, changes: list[tuple[int, Any]], cut: int
) -> None:
    whole: Any = notebook("%%envd_build a\nImageSpec(name='a')", "# text", "x = 1")
    cell = whole["cells"][0]
    record = {"image": "a:b", "spec_hash": "x", "status": "built", "finished": "now"}
    cell["metadata"]["envd_magic"] = record
    places = [(whole, key) for key in list(whole)] + [(cell, key) for key in list(cell)]
    places += [(cell["metadata"], "envd_magic"), (record, "image"), (record, "status")]
    for number, value in changes:
        inside, key = places[number % len(places)]
        inside[key] = value
    for text in (json.dumps(content), json.dumps(whole), json.dumps(whole)[:cut]):
        with suppress(FileError):
            looked_at(text)


class Shown:
    """A screen on which nothing is seen."""

    hint = ""

    def event(self, event: Any) -> None:
        pass

    def update(self, state: Any) -> None:
        pass

    def finish(self, card: Card) -> None:
        card_html(card)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """Give the lines of a recording of a build that failed."""
    log = tmp_path_factory.mktemp("recorded") / "a.log"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ENVD_MAGIC_HOME", str(log.parent))
        keeper = Keeper(ImageSpec(name="a", packages=["x"]), Options())
        for event in (Started(IMAGE, 4, log), *running(done(), failed()), Finished(FAILED)):
            keeper(event)
        path = kept_recording(log)
    assert path is not None
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]


def places(value: Any) -> list[tuple[Any, Any]]:
    """Give all that can be changed in a value of JSON."""
    keys: Any = value if isinstance(value, dict) else ()
    if isinstance(value, list):
        keys = range(len(value))
    own = [(value, key) for key in keys]
    return own + [place for inside, key in own for place in places(inside[key])]


@fuzz
@given(changes=st.lists(st.tuples(st.integers(0, 999), JSON), min_size=1, max_size=3))
def test_any_recording_is_shown_or_told(
    recorded: list[Any], tmp_path: Path, changes: list[tuple[int, Any]]
) -> None:
    told = copy.deepcopy(recorded)
    for number, value in changes:
        found = places(told)
        inside, key = found[number % len(found)]
        inside[key] = value
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(map(json.dumps, told)))
    with suppress(FileError):
        replay(read_recording(path), Shown(), 0)


ATTACKS = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "\"><svg onload='alert(1)'>",
    "' onmouseover='alert(1)",
    "</pre></style></details><iframe src=javascript:alert(1)>",
    "\x1b[31m<b>\x1b[0m",
    "\x1b]8;;javascript:alert(1)\x1b\\link\x1b]8;;\x1b\\",
    "&lt;script&gt;&#60;b&#62;",
    "{0.__class__}{}",
    "%s<!--",
    "<![CDATA[<b>",
    "javascript:alert(1)",
    "\x00<\x00b>",
)
TEXT = st.one_of(
    st.sampled_from(ATTACKS),
    st.text(max_size=8),
    st.lists(st.sampled_from(ATTACKS), max_size=3).map("".join),
)
LINES = st.lists(TEXT, max_size=2).map(tuple)


def many(each: Any) -> Any:
    return st.lists(each, max_size=2).map(tuple)


CARDS = st.builds(
    Card,
    state=st.sampled_from(sorted(STATES)),
    title=TEXT,
    facts=many(st.tuples(TEXT, TEXT)),
    progress=st.none() | st.floats(0, 1),
    status=TEXT,
    steps=many(st.builds(Step, name=TEXT, status=st.sampled_from(("failed", "done")), field=TEXT)),
    cause=TEXT,
    log=LINES,
    spec=many(st.builds(SpecLine, text=TEXT, marked=st.booleans(), part=st.none())),
    notes=LINES,
    checks=many(
        st.builds(
            Item, TEXT, TEXT, TEXT, TEXT, outcome=st.sampled_from(OUTCOMES), why=TEXT, platform=TEXT
        )
    ),
    step=TEXT,
    helps=many(st.builds(Help, text=TEXT, diff=LINES, command=TEXT)),
    hint=TEXT,
    findings=many(st.builds(Finding, TEXT, st.sampled_from((OK, WARNING, FAIL)), TEXT, fix=TEXT)),
    diagnosis=st.none(),
)
PLANNED = st.builds(
    PlannedStep,
    name=TEXT,
    field=TEXT,
    forecast=st.sampled_from(("cached", "runs", "unknown")),
    reason=TEXT,
    platform=TEXT,
    command=TEXT,
)
PLANS = st.builds(Plan, TEXT, st.booleans(), many(PLANNED), changes=LINES, notes=LINES)
ELEMENTS = frozenset(
    "style div span b strong table thead tbody tr th td code pre details summary mark ins del ol "
    "li".split()
)
ATTRIBUTES = frozenset(
    "class role style scope tabindex aria-label aria-live aria-valuemin aria-valuemax "
    "aria-valuenow open".split()
)
STYLES = re.compile(r"[a-z0-9#%:;(),.\s-]*")


class Page(HTMLParser):
    """What a browser would make of a page: elements, their attributes, comments."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: set[str] = set()
        self.attributes: set[str] = set()
        self.styles: set[str] = set()
        self.others: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.styles |= {value or "" for name, value in attrs if name == "style"}

    def handle_comment(self, data: str) -> None:
        self.others.append(data)

    def handle_decl(self, decl: str) -> None:
        self.others.append(decl)

    def handle_pi(self, data: str) -> None:
        self.others.append(data)

    def unknown_decl(self, data: str) -> None:
        self.others.append(data)


@fuzz
@given(card=CARDS, plan=PLANS, code=TEXT, changes=LINES)
def test_any_text_in_a_view_is_text(
    card: Card, plan: Plan, code: str, changes: tuple[str, ...]
) -> None:
    page = Page(
        "".join(
            map(
                str,
                (
                    card_html(clean(card)),
                    card_html(card),
                    plan_html(plan),
                    diff_html(SpecDiff(changes, changes, changes, plan.steps)),
                    to_html(code),
                    *(code_html(code, one, code[1:]) for one in ("python", "yaml", "docker")),
                    _said("red", code, Problem(f"a.{code}", code, code)),
                ),
            )
        )
    )
    assert page.elements <= ELEMENTS
    assert page.attributes <= ATTRIBUTES
    assert page.others == []
    assert all(STYLES.fullmatch(style) for style in page.styles)
