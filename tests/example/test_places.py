"""The agreement has its places to sign where the template puts them, each once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from charter.craftkit import AGREEMENT, GUEST_SIGNS, SKIPPER_SIGNS, agreement
from django_craftkit.pdf.anchors import look_for
from django_craftkit.pdf.reading import read_pages
from django_craftkit.sandbox import DEFAULT_KEY, Sandbox

TEMPLATES = Path(__file__).parents[2] / "example_project" / "templates.json"


@pytest.mark.parametrize("address", ["", "soren@example.com"])
def test_the_places_to_sign_are_on_the_first_page(booking, address, tmp_path):
    booking.skipper_email = address
    sandbox = Sandbox(templates=json.loads(TEMPLATES.read_text()))
    headers = {"Authorization": f"Bearer {DEFAULT_KEY}"}
    answer = sandbox.session().post(
        f"{sandbox.public_url}/v1/templates/{AGREEMENT}/render",
        json={"data": agreement(booking)},
        headers=headers,
    )
    assert answer.status_code == 202, answer.text
    file = tmp_path / "agreement.pdf"
    file.write_bytes(sandbox.renders[0].pdf())

    with file.open("rb") as pdf:
        pages = read_pages(pdf)
    guest, skipper = look_for([GUEST_SIGNS, SKIPPER_SIGNS], pages)

    assert guest.pages == (1,)
    assert skipper.pages == ((1,) if address else ())
    assert pages[0].count(GUEST_SIGNS) == 1
    assert "The guest" not in pages[0]
