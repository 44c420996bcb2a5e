"""What is known of the install step before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flytekit import ImageSpec

from envd_magic.errors import SpecError
from envd_magic.recipe.compose import compose


@pytest.fixture(autouse=True)
def _work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _warnings(**fields: Any) -> tuple[str, ...]:
    return compose(ImageSpec(base_image="debian", **fields)).warnings


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"pip_extra_args": "--use-pep517"}, "pip_extra_args: uv has nothing like pip's --use-pep"),
        ({"pip_extra_args": "--prefer-binary"}, "pip_extra_args: uv has nothing like pip's --pref"),
        ({"env": {"PIP_TARGET": "/x"}}, "env: uv has nothing like pip's --target"),
        ({"requirements": "r.txt"}, "requirements: r.txt, line 2: --prefer-binary"),
    ],
)
def test_reason_for_pip_is_told_before_the_build(fields: dict[str, Any], reason: str) -> None:
    Path("r.txt").write_text("six\n--prefer-binary\n")
    (warning,) = _warnings(packages=["six"], **fields)
    assert warning.startswith(f"pip installs, since {reason}")


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"pip_extra_args": "--no-deps --timeout 5 -U --retries=3 --trusted-host h.test"},
        {"env": {"PIP_NO_CACHE_DIR": "1", "PIP_DEFAULT_TIMEOUT": "9", "UV_LINK_MODE": "copy"}},
        {"builder_options": {"installer": "pip"}, "pip_extra_args": "--use-pep517"},
    ],
)
def test_nothing_is_told_where_there_is_nothing_to_tell(fields: dict[str, Any]) -> None:
    assert _warnings(packages=["six"], **fields) == ()


def test_files_that_are_not_there_are_named_all_at_once() -> None:
    above = ImageSpec(base_image="debian", requirements="above.txt")
    with pytest.raises(SpecError) as caught:
        compose(ImageSpec(base_image=above, requirements="r.txt", copy=["data", "code"]))
    for name in ("requirements", "r.txt", "data", "code", "base_image.requirements", "above.txt"):
        assert name in str(caught.value)
