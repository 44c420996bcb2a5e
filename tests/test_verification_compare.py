"""Comparing without an engine: requirements, imports, Debian packages, layers; what is shown."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest
from flytekit import ImageSpec
from packaging.markers import default_environment

from envd_magic.recipe.compose import compose
from envd_magic.spec.requirements import Requirements, read_requirements
from envd_magic.verification import modules, system
from envd_magic.verification.asking import NO_PYTHON, Answer
from envd_magic.verification.layers import Entry, fields_of, without_empty
from envd_magic.verification.packages import package_items
from envd_magic.verification.result import Item, Verification, from_json
from envd_magic.verification.wanted import wanted
from envd_magic.view.cards import verification_card
from envd_magic.view.html import card_html
from envd_magic.view.text import card_text

if TYPE_CHECKING:
    from pathlib import Path

MARKERS = {name: str(value) for name, value in default_environment().items()}
MARKERS |= {"python_version": "3.11", "python_full_version": "3.11.2"}


def record(name: str, version: str, *requires: str, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "version": version,
        "requires": list(requires),
        "direct": None,
        "place": 0,
        **more,
    }


def outcomes(
    *records: dict[str, Any], requirements: Requirements | None = None, **fields: Any
) -> dict[str, tuple[str, str]]:
    """Give the outcome and the reason of each requirement, for what is installed."""
    spec = ImageSpec(name="x", **fields)
    asked = wanted(spec, requirements or Requirements())
    answer = Answer(markers=MARKERS, distributions=records)
    items = package_items(spec, asked, answer)
    return {item.item: (item.outcome, f"{item.found} {item.why}") for item in items}


@pytest.mark.parametrize(
    ("asked", "name", "version", "outcome"),
    [
        ("Ruamel_YAML", "ruamel.yaml", "0.18", "ok"),
        ("torch==2.0", "torch", "2.0+cpu", "ok"),
        ("torch==2.0+cu1", "torch", "2.0+cpu", "differs"),
        ("a>=1", "a", "2.0rc1", "ok"),
        ("a==1.*", "a", "1.9", "ok"),
        ("a!=1.9,<2", "a", "1.9", "differs"),
        ("a~=1.4", "a", "2.0", "differs"),
        ("a===weird", "a", "weird", "ok"),
        ("a>1", "a", "weird", "differs"),
        ("a; sys_platform == 'win32'", "b", "1", "ok"),
        ("a; python_version >= '3.11'", "b", "1", "differs"),
    ],
)
def test_versions_are_compared_as_pip_does(
    asked: str, name: str, version: str, outcome: str
) -> None:
    [(found, _)] = outcomes(record(name, version), packages=[asked]).values()
    assert found == outcome


PACKAGES = ["requests[socks]"]


def test_what_an_extra_needs_has_to_be_there() -> None:
    needs = ["PySocks!=1.5.7,>=1.5.6; extra == 'socks'", "idna<4", "x; extra == 'other'"]
    requests = record("requests", "2.31", *needs)
    idna = record("idna", "3")
    assert "PySocks" in outcomes(requests, idna, packages=PACKAGES)["requests[socks]"][1]
    socks = record("PySocks", "1.7.1")
    assert outcomes(requests, idna, socks, packages=PACKAGES)["requests[socks]"][0] == "ok"
    old = record("PySocks", "1.5.0")
    assert (
        "PySocks is 1.5.0" in outcomes(requests, idna, old, packages=PACKAGES)["requests[socks]"][1]
    )


def test_what_is_needed_by_what_is_needed_has_to_be_there() -> None:
    a, b = record("a", "1", "b[more]>=1"), record("b", "1", "c; extra == 'more'", "a")
    found = outcomes(a, b, packages=["a"])
    assert found["a"][0] == "differs"
    assert "c, which is not installed" in found["a"][1]
    alone = outcomes(a, b, packages=["a"], pip_extra_args="--no-deps")
    assert alone["a"][0] == "ok"


def test_two_records_in_one_folder_are_one_too_many() -> None:
    found = outcomes(record("a", "1.0"), record("a", "2.0"), packages=["a==1.0"])
    assert found["a==1.0"] == (
        "differs",
        "1.0 and 2.0 two versions are recorded, in the same folder",
    )
    hidden = outcomes(record("a", "1.0"), record("a", "2.0", place=3), packages=["a==1.0"])
    assert hidden["a==1.0"][0] == "ok"


GIT = json.dumps(
    {
        "url": "https://h.example/r.git",
        "vcs_info": {"vcs": "git", "requested_revision": "v1", "commit_id": "abcdef0123"},
    }
)


@pytest.mark.parametrize(
    ("url", "direct", "outcome"),
    [
        ("git+https://h.example/r.git@v1", GIT, "ok"),
        ("git+https://me:token12345@h.example/r.git@abcdef0", GIT, "ok"),
        ("git+https://h.example/r.git@v2", GIT, "differs"),
        ("git+https://h.example/other.git@v1", GIT, "differs"),
        ("https://h.example/a-1.whl#sha256=0", '{"url": "https://h.example/a-1.whl"}', "ok"),
        ("https://h.example/a-1.whl", None, "differs"),
        ("https://h.example/a-1.whl", "no JSON", "differs"),
    ],
)
def test_a_url_is_compared_with_what_the_installation_noted(
    url: str, direct: str | None, outcome: str
) -> None:
    [(found, _)] = outcomes(record("a", "1", direct=direct), packages=[f"a @ {url}"]).values()
    assert found == outcome


def test_a_requirements_file_with_all_that_it_names(tmp_path: Path) -> None:
    (tmp_path / "r.txt").write_text(
        "a==1 --hash=sha256:00\n-r more.txt\n-c limits.txt\n--index-url https://h.example/simple\n"
        "tomli; python_version < '3'\n"
    )
    (tmp_path / "more.txt").write_text("b>=2  # why\n")
    (tmp_path / "limits.txt").write_text("c<2\nd<2\ne<2; python_version < '3'\n")
    found = outcomes(
        record("a", "1"),
        record("b", "1"),
        record("c", "3"),
        record("e", "3"),
        requirements=read_requirements(tmp_path / "r.txt"),
    )
    assert {item: outcome for item, (outcome, _) in found.items()} == {
        "a==1": "ok",
        "b>=2": "differs",
        # Constraints ask for nothing that nobody else asks for.
        "c<2": "differs",
        "tomli; python_version < '3'": "ok",
    }


def test_what_is_put_elsewhere_is_not_checked() -> None:
    for fields in ({"pip_extra_args": "--target /opt/x"}, {"env": {"PIP_PREFIX": "/opt"}}):
        [(outcome, why)] = outcomes(packages=["a"], **fields).values()
        assert outcome == "not checked"
        assert "where Python does not look" in why


def test_an_image_without_python_has_no_package() -> None:
    spec = ImageSpec(name="x", packages=["a"])
    for has_python, outcome in ((False, "differs"), (True, "not checked")):
        answer = Answer(why=NO_PYTHON, has_python=has_python)
        [item] = package_items(spec, wanted(spec, Requirements()), answer)
        assert item.outcome == outcome


def imports(told: dict[str, list[str]], given: set[str]) -> dict[str, tuple[str, str]]:
    spec = ImageSpec(name="x", packages=["a"])
    owner = record("a", "1", modules=["a"])
    answer = Answer(markers=MARKERS, distributions=[owner], imports=told)
    items = modules.import_items(modules.lines(given), wanted(spec, Requirements()), answer)
    return {item.item: (item.outcome, f"{item.found} {item.why}") for item in items}


MISSING = "ModuleNotFoundError,ImportError,Exception"


@pytest.mark.parametrize(
    ("state", "said", "outcome", "words"),
    [
        ("ok", "0.10", "ok", "0.10 s"),
        ("with", "b", "ok", "with b"),
        ("failed", f"{MISSING} a No module named 'a'", "differs", "No module named 'a'"),
        ("failed", "SystemExit,BaseException - 3", "differs", "SystemExit: 3"),
        ("failed", "gaierror,OSError - no name", "not checked", "network"),
        ("failed", "ImportError - libcuda.so.1: cannot open", "not checked", "GPU"),
        ("died", "11", "differs", "SIGSEGV"),
        ("died", "0", "differs", "ended the process"),
        ("late", "20.0", "not checked", "20 s"),
        ("skipped", "60", "not checked", "time"),
    ],
)
def test_what_came_of_an_import(state: str, said: str, outcome: str, words: str) -> None:
    found = imports({"a": [state, said]}, set())
    assert found["import a"][0] == outcome
    assert words in found["import a"][1]


def test_a_module_that_nobody_asked_for_is_not_checked() -> None:
    told = {"a": ["ok", "0.1"], "b": ["failed", f"{MISSING} b.c No module named 'b.c'"]}
    found = imports(told, {"a", "b.c", "os.path", "IPython"})
    assert found["import a"][0] == "ok"
    assert found["import b"][0] == "not checked"
    assert "b.c" in found["import b"][1]
    assert len(found) == 2


def apt(item: str, *packages: tuple[str, str, str], **more: Any) -> str:
    records = [
        {
            "Package": name,
            "Version": version,
            "Architecture": architecture,
            "Status": "install ok installed",
            "Provides": "mail-agent",
            "missing": [],
            **more,
        }
        for name, version, architecture in packages
    ]
    spec = ImageSpec(name="x", apt_packages=[item])
    [found] = system.apt_items(spec, Answer(apt=records))
    return found.outcome


@pytest.mark.parametrize(
    ("item", "outcome"),
    [
        ("git", "ok"),
        ("git=1:2.0", "ok"),
        ("git=1:2.1", "differs"),
        ("git:amd64", "ok"),
        ("git:amd64=1:2.0", "ok"),
        ("git:i386", "differs"),
        ("git/bookworm", "not checked"),
        ("mail-agent", "ok"),
        ("mail-agent=1", "differs"),
        ("other", "differs"),
    ],
)
def test_debian_packages_with_version_and_architecture(item: str, outcome: str) -> None:
    assert apt(item, ("git", "1:2.0", "amd64")) == outcome


def test_a_debian_package_that_was_removed_is_not_there() -> None:
    gone = "deinstall ok config-files"
    assert apt("git", ("git", "1:2.0", "amd64"), Status=gone) == "differs"
    assert apt("git", ("git", "1:2.0", "amd64"), missing=["/usr/bin/git"]) == "differs"


def test_entries_of_a_history_that_made_no_layer_are_left_out() -> None:
    history = [
        Entry("", 10),
        Entry("/bin/sh -c #(nop)  ENV A=1", 0),
        Entry("RUN rm x", 0),
        Entry("true", 0),
    ]
    assert without_empty(history, 4) == [0, 1, 2, 3]
    assert without_empty(history, 3) == [0, 2, 3]
    assert without_empty(history, 2) == [0, 2]
    assert without_empty(history, 1) == [0]


def test_a_step_tells_its_field_by_its_mark() -> None:
    recipe = compose(ImageSpec(name="x", base_image="debian:12", packages=["a"]))
    history = [
        Entry("RUN base", 5),
        Entry("mount / from exec bash -c apt-get install -y git", 3),
        Entry("mount / from exec bash -c set -e\n# envd_magic: packages\n", 4),
        Entry("RUN later", 1),
    ]
    assert fields_of(history, None, recipe, {}) == ["", "apt_packages", "packages", ""]


WHOLE = Verification(
    "localhost:5000/x:1",
    (
        Item("packages", "a<2", "<2", "3", "differs", "another version"),
        Item("packages", "b", "any version", "1"),
        Item("commands", "echo '<b>'\necho 2", "it has run", "", "not checked", "no history"),
    ),
)


def test_every_form_tells_what_differs_first() -> None:
    card = verification_card(WHOLE)
    text, html = card_text(card), str(card_html(card))
    assert text.startswith("Differs from its spec: localhost:5000/x:1")
    assert text.index("a<2") < text.index("no history") < text.index("any version")
    assert "1 differs, 1 not checked, 1 ok" in text
    assert "echo '<b>' ⏎ echo 2" in text
    assert "<b>'" not in html.replace("<b>Differs", "")
    assert html.index("a&lt;2") < html.index("no history") < html.index("1 ok</summary>")
    assert card.fields == ("packages",)


def test_what_is_well_is_counted_where_it_is_much() -> None:
    many = tuple(Item("packages", f"p{number}", "any version", "1") for number in range(60))
    text = card_text(verification_card(Verification("x:1", many)))
    assert "60 ok" in text
    assert "p59" not in text


def test_a_verification_is_the_same_after_json() -> None:
    assert from_json(json.loads(json.dumps(WHOLE.to_json()))) == WHOLE


def test_a_long_difference_is_told_shortly() -> None:
    many = tuple(Item("copy", f"/f{n}", "a file", "nothing", "differs") for n in range(50))
    assert str(Verification("x:1", many)).count("\n") == 21
    assert sys.getsizeof(str(Verification("x:1", many))) < 3000
