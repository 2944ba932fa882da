"""Names in curly braces, by the rules of Handlebars that a line of text can meet."""

from __future__ import annotations

import pytest

from django_craftkit.sandbox.core import handlebars

VALUES = {"customer.name": "Ada", "total": "42", "place": "{{sign_here}}", "first-name": "Åsa"}


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("Signature", "Signature"),
        ("[[sign_here]]", "[[sign_here]]"),
        ("{{customer.name}}", "Ada"),
        ("{{ customer.name }}", "Ada"),
        ("{{first-name}}", "Åsa"),
        ("Of {{customer.name}}, {{total}} in all", "Of Ada, 42 in all"),
        # A name that no data have, as an author's anchor without a backslash is one.
        ("{{sign_here}}", ""),
        ("Here: {{jane_signs}}.", "Here: ."),
        (r"\{{sign_here}}", "{{sign_here}}"),
        (r"{{total}}\{{sign_here}}\{{total}}{{total}}", "42{{sign_here}}{{total}}42"),
        (r"\{{#if anything", "{{#if anything"),
        (r"\\{{total}}", r"\42"),
        # A value is printed as it is, whatever it holds.
        ("{{place}}", "{{sign_here}}"),
        ("} and }} and { alone", "} and }} and { alone"),
    ],
)
def test_a_text_is_filled(text, printed):
    assert handlebars.fill(text, lambda name: VALUES.get(name, "")) == printed


def test_names_are_those_that_are_replaced():
    text = r"{{customer.name}} {{ total }} {{total}} \{{sign_here}} [[there]]"
    assert handlebars.names(text) == {"customer.name", "total"}


@pytest.mark.parametrize(
    "text",
    [
        "{{",
        "{{name",
        "{{}}",
        "{{ }}",
        "{{sign here}}",
        "{{#if name}}x{{/if}}",
        "{{! a comment }}",
        "{{> partial}}",
        "{{{name}}}",
        "{{&name}}",
        "{{name.}}",
        "{{lines.[0].what}}",
        "{{../name}}",
        "{{@index}}",
        "{{~name~}}",
    ],
)
def test_what_is_more_than_a_name_is_refused(text):
    with pytest.raises(ValueError, match=r"Not a name|Not closed"):
        handlebars.parse(f"Before {text}")
