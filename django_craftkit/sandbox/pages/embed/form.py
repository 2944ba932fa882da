"""The form of a fill session, made from the manifest of its template.

Fields are empty in the HTML; the script puts the prefill into them, and sends what was filled in to
the API with the session's token. Craftkit's preview beside the form is not shown.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

from django_craftkit.sandbox.core import forms
from django_craftkit.sandbox.core.errors import Refusal
from django_craftkit.sandbox.core.renders import find, not_found
from django_craftkit.sandbox.core.templates import version_of
from django_craftkit.sandbox.http.answers import pdf_response
from django_craftkit.sandbox.http.routing import Routes

from .page import embedded, open_session, refuse, script

if TYPE_CHECKING:
    from collections.abc import Callable

    from werkzeug.wrappers import Response

    from django_craftkit.sandbox.core.checks.templates import Loop, Manifest, Variable
    from django_craftkit.sandbox.http.call import Call

routes = Routes(door="open")

_SCRIPT: Final = script("form.js")
_INPUTS: Final = {
    "number": "number",
    "currency": "number",
    "date": "date",
    "datetime": "datetime-local",
    "url": "url",
    "email": "email",
}


@routes("GET", "/embed/form")
def show(call: Call) -> Response:
    """The form, with its prefill."""
    session = open_session(call)
    try:
        forms.check_mode(session)
        template = session.template()
        version = version_of(template, None)
    except Refusal as refusal:
        return refuse(session, "There is no form", refusal)
    options = session.new.form
    loops = {loop["key"] for loop in version.manifest["loops"]}
    return embedded(
        call,
        session,
        version.name,
        _page(version.name, template.description, version.manifest),
        script=_SCRIPT,
        config={
            "maySubmit": session.may("submitForm"),
            "showsDocument": options.shows_document,
            "redirectUrl": options.redirect_url,
            "values": forms.expand(options.prefill, loops),
        },
    )


@routes("GET", "/embed/form/document/<render_id>", door="session")
def document(call: Call, render_id: str) -> Callable[[], Response]:
    """The PDF for the page's own viewer; 404 but for the session whose form it comes from."""
    render = find(call.project, render_id)
    if render.session_id != call.session.id or not render.succeeded:
        raise not_found()
    return lambda: pdf_response(render, "inline")


def _page(title: str, description: str | None, manifest: Manifest) -> str:
    fields = "".join(_field(each, f"v{n}") for n, each in enumerate(manifest["variables"]))
    loops = "".join(_loop(each, f"l{n}") for n, each in enumerate(manifest["loops"]))
    variables = [*manifest["variables"]]
    variables += [field for loop in manifest["loops"] for field in loop["itemFields"]]
    needs = any(variable.get("required") for variable in variables)
    hint = '<p class="hint"><span class="mark">*</span> has to be filled in</p>' if needs else ""
    about = f"<p>{escape(description)}</p>" if description else ""
    return f"""<div class="card">
<h1>{escape(title)}</h1>
{about}
<form id="form" novalidate>
{hint}
{fields}
{loops}
<div class="actions"><button class="button main">Submit</button></div>
</form>
<div id="done" hidden><h2></h2><p></p>
<div class="actions"><a class="button" target="_blank" hidden>Open the document</a></div></div>
<p id="status" role="status"></p>
</div>
<iframe class="viewer" title="{escape(title)}" hidden></iframe>"""


def _loop(loop: Loop, name: str) -> str:
    fields = "".join(_field(each, f"{name}f{n}") for n, each in enumerate(loop["itemFields"]))
    return f"""<fieldset data-loop="{escape(loop["key"])}"><legend>{escape(loop["label"])}</legend>
<p class="error" hidden></p>
<div class="rows"></div>
<button type="button" class="button add">Add a row</button>
<template><div class="row">{fields}
<button type="button" class="button remove">Remove</button></div></template></fieldset>"""


def _field(variable: Variable, name: str) -> str:
    key, data_type = escape(variable["key"]), variable["dataType"]
    required = bool(variable.get("required"))
    mark = ' <span class="mark" aria-hidden="true">*</span>' if required else ""
    unit = variable.get("format", "").partition(":")[2] if data_type == "currency" else ""
    label = escape(variable["label"] + (f" ({unit})" if unit else "")) + mark
    needed = ' aria-required="true"' if required else ""
    common = f'id="{name}" aria-describedby="{name}e"{needed}'
    # No name: one that is called "hidden", say, would hide that of the <form>.
    bound = f'data-key="{key}"'
    error = f'<p class="error" id="{name}e" hidden></p>'
    match data_type:
        case "boolean":
            return f"""<div class="field"><label class="check" for="{name}">
<input type="checkbox" {common} {bound}>{label}</label>{error}</div>"""
        case "image":
            control = f"""<input type="file" accept="image/*" {common}>
<input type="hidden" {bound}><img class="picture" alt="" hidden>
<a target="_blank" rel="noopener" hidden></a>
<button type="button" class="button clear" hidden>Take the picture away</button>"""
        case "longtext":
            control = f"<textarea {common} {bound}></textarea>"
        case _:
            kind = _INPUTS.get(data_type, "text")
            step = ' step="any"' if kind == "number" else ""
            control = f'<input type="{kind}"{step} {common} {bound}>'
    return f'<div class="field"><label for="{name}">{label}</label>{control}{error}</div>'
