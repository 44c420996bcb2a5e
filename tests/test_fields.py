"""The table of ImageSpec's fields."""

from __future__ import annotations

import dataclasses

import pytest
from flytekit import ImageSpec

from envd_magic.spec.fields import BY_NAME, FIELDS, Field

_KINDS = {"text", "list", "mapping", "path", "image", "choice", "pairs"}


def test_table_has_exactly_the_fields_of_flytekits_image_spec() -> None:
    assert sorted(field.name for field in FIELDS) == sorted(
        field.name for field in dataclasses.fields(ImageSpec)
    )


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.name)
def test_help_is_a_sentence(field: Field) -> None:
    assert len(field.help) > 1
    assert field.help.endswith(".")
    assert "\n" not in field.help


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.name)
def test_field_tells_what_becomes_of_it(field: Field) -> None:
    assert field.fate.strip()


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.name)
def test_kind_is_one_that_a_form_knows(field: Field) -> None:
    assert field.kind in _KINDS


def test_field_is_found_by_its_name() -> None:
    assert [BY_NAME[field.name] for field in FIELDS] == list(FIELDS)
