"""Verifying by magic, on the command line and in a build."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from flytekit import ImageSpec

from envd_magic import VerifyError, build, last_result, verify
from envd_magic.pipeline.as_json import result_from_json, result_to_json

from .notebooks import run, write
from .shells import shell
from .test_completion import offered

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .lab import Lab

CELL = "ImageSpec(name={!r}, env={{'SEED': '7'}}, commands=['mkdir /ours'])"


@pytest.fixture(scope="module")
def name() -> str:
    return f"doors-{os.urandom(4).hex()}"


@pytest.fixture(scope="module")
def ip(lab: Lab, name: str) -> Iterator[Any]:
    """A shell with a spec that was built, and an image that was altered."""
    made = shell()
    made.run_cell("import ipaddress, humanize", store_history=True)
    made.do(f"%%envd_build trainer\n{CELL.format(name)}")
    image = made.user_ns["trainer"].image_name()
    lab.docker("build", "-q", "-t", f"{name}:altered", "-", text_in=f"FROM {image}\nENV SEED=8\n")
    yield made
    lab.docker("rmi", "-f", image, f"{name}:altered")


def test_a_spec_that_is_as_asked(ip: Any) -> None:
    told = ip.do("%envd verify trainer")
    assert told.startswith("Verified: ")
    assert "SEED" in told
    assert "import humanize" in told
    assert "import ipaddress" not in told


def test_an_image_that_differs_is_shown_and_fails(ip: Any, name: str) -> None:
    with pytest.raises(VerifyError, match=r"env\['SEED'\]: asked '7', found '8'"):
        ip.do(f"%envd verify trainer {name}:altered")


def test_an_image_alone_is_compared_with_the_spec_that_it_was_built_of(ip: Any) -> None:
    image = ip.user_ns["trainer"].image_name()
    assert ip.do(f"%envd verify {image}").startswith("Verified: ")
    other = shell()
    assert other.do(f"%envd verify {image}").startswith("Verified: ")


def test_an_image_of_which_nothing_is_known_needs_a_spec(ip: Any, name: str) -> None:
    with pytest.raises(Exception, match=r"%envd verify SPEC"):
        ip.do(f"%envd verify {name}:altered")


def test_an_image_that_is_not_there_is_told(ip: Any) -> None:
    with pytest.raises(VerifyError, match="there is none"):
        ip.do("%envd verify 'ImageSpec(name=\"was-never-built\")'")


def test_images_complete_where_one_can_stand(ip: Any, name: str) -> None:
    assert offered(ip, "%envd verify tr|") == {"trainer"}
    assert offered(ip, f"%envd verify {name}:|")
    assert any(one.startswith(name) for one in offered(ip, f"%envd verify trainer {name[:8]}|"))
    assert "verify" in offered(ip, "%envd ver|")


def test_a_build_can_be_verified(lab: Lab, name: str) -> None:
    ip = shell()
    told = ip.do(f"%%envd_build again --verify --force\n{CELL.format(name)}")
    assert "Compared" in told
    assert "_F_IMG_ID" in told


def test_a_build_that_differs_fails_and_gets_no_name(lab: Lab, name: str) -> None:
    # The commands run after the copies, and change what was copied.
    spec = ImageSpec(
        name=f"{name}-bad",
        packages=["attrs"],
        commands=["python -m pip uninstall -y attrs"],
    )
    with pytest.raises(VerifyError) as caught:
        build(spec, verify=True)
    assert {item.field for item in caught.value.verification.differing} == {"packages"}
    result = last_result()
    assert result is not None
    assert (result.status, result.stage) == ("failed", "Verifying")
    assert result.verification == caught.value.verification
    assert result_from_json(json.loads(json.dumps(result_to_json(result)))) == result
    assert lab.docker("images", "-q", spec.image_name()) == ""


def test_the_command_line_tells_what_differs(ip: Any, lab: Lab, name: str, tmp_path: Path) -> None:
    path = write(tmp_path / "a.ipynb", "import humanize", f"%%envd_build a\n{CELL.format(name)}")
    good = run("verify", path)
    assert good.exit_code == 0, good.output
    assert "Verified: " in good.output
    assert "import humanize" in good.output
    bad = run("verify", path, "--image", f"{name}:altered", "--json")
    assert bad.exit_code == 1
    told = json.loads(bad.output)
    assert told["good"] is False
    assert [item["item"] for item in told["items"] if item["outcome"] == "differs"] == ["SEED"]
    assert told["cell"] == 2
    assert sum(told["sizes"].values()) == told["size"]


def test_the_command_line_wants_one_image_where_another_is_named(lab: Lab, tmp_path: Path) -> None:
    lines = "a = ImageSpec(name='a')\nb = ImageSpec(name='b')\n"
    (tmp_path / "a.py").write_text(f"from flytekit import ImageSpec\n{lines}")
    assert run("verify", tmp_path / "a.py", "--image", "x:1").exit_code == 2


def test_the_api_gives_all_that_was_looked_at(ip: Any) -> None:
    verification = verify(ip.user_ns["trainer"], modules={"ipaddress", "ensurepip.nothing"})
    assert verification.good
    assert verification.python
    assert {"name", "platform", "env", "commands"} <= {item.field for item in verification.items}
