"""The builder: the name of a template, its variables and its loops.

Craftkit's builder draws documents too; this one makes what a document takes. It saves through two
calls of its own, as Craftkit documents none: they are no part of the API.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any, Final

from django_craftkit.sandbox.core import builder
from django_craftkit.sandbox.core.checks.templates import DATA_TYPES
from django_craftkit.sandbox.core.errors import Refusal
from django_craftkit.sandbox.http.answers import json_response
from django_craftkit.sandbox.http.doors import is_allowed_origin
from django_craftkit.sandbox.http.routing import Routes

from .page import embedded, open_session, refuse, script

if TYPE_CHECKING:
    from collections.abc import Mapping

    from werkzeug.wrappers import Response

    from django_craftkit.sandbox.core.sessions import EmbedSession
    from django_craftkit.sandbox.http.call import Call

routes = Routes(door="open")

_SCRIPT: Final = script("builder.js")
_TYPES: Final = "".join(f"<option>{each}</option>" for each in DATA_TYPES)
_TEMPLATES: Final = f"""<template id="variable"><div class="row">
<label>Key<input data-part="key" list="catalog" spellcheck="false" autocapitalize="off"></label>
<label>Label<input data-part="label"></label>
<label>Type<select data-part="dataType">{_TYPES}</select></label>
<label class="check"><input type="checkbox" data-part="required">Required</label>
<button type="button" class="button remove">Remove</button>
<p class="error" hidden></p></div></template>
<template id="loop"><fieldset><legend>Loop</legend>
<div class="pair"><label>Key of the loop<input data-part="key" spellcheck="false"
autocapitalize="off"></label>
<label>Label of the loop<input data-part="label"></label></div>
<p class="error" hidden></p>
<div class="rows"></div>
<div class="actions"><button type="button" class="button add-variable">Add a field</button>
<button type="button" class="button remove-loop">Remove the loop</button></div></fieldset>
</template>"""


@routes("GET", "/embed/builder")
def show(call: Call) -> Response:
    """The builder of a session to edit, create or view."""
    session = open_session(call)
    try:
        if session.mode == "fill":
            raise Refusal("wrong_mode", "This is a session to fill in a form.")
        template, name, manifest = builder.opened(session)
    except Refusal as refusal:
        return refuse(session, "There is no template", refusal)
    catalog = _catalog(session.catalog or {})
    state = f"Template {template.slug}" if template else "A new template"
    if template is not None and template.current is not None:
        state += f", version {template.current.number}"
    if template is not None and template.draft is not None:
        state += ", with a draft"
    return embedded(
        call,
        session,
        name,
        _page(session, name, state, catalog),
        script=_SCRIPT,
        config={"mode": session.mode, "manifest": manifest, "catalog": catalog},
    )


@routes("POST", "/embed/builder/<any(draft,publish):action>", door="session")
def save(call: Call, action: str) -> Response:
    """Save what was edited as a draft, or publish it."""
    if not is_allowed_origin(call.project, call.request, call.state.public_url):
        raise Refusal("bad_request", "The origin is not on the project's list.")
    template = builder.save(call.state, call.session, call.json(), publish=action == "publish")
    current = template.current
    return json_response(
        {
            "templateId": template.id,
            "slug": template.slug,
            "version": current.number if current else None,
            "manifest": current.manifest if current else None,
        }
    )


def _page(
    session: EmbedSession, name: str, state: str, catalog: Mapping[str, Mapping[str, Any]]
) -> str:
    edits = session.mode != "view"
    renames = session.mode == "create" or (edits and session.may("rename"))
    buttons = ""
    if edits and session.may("publish"):
        buttons += (
            '<button type="button" class="button main" data-action="publish">Publish</button>'
        )
    if edits and session.may("saveDraft"):
        buttons += '<button type="button" class="button" data-action="draft">Save draft</button>'
    offers = "".join(
        f'<option value="{escape(key)}">{escape(str(each["label"]))}</option>'
        for key, each in catalog.items()
    )
    add_loop = '<button type="button" class="button add-loop">Add a loop</button>'
    return f"""<div class="card">
<form id="builder">
<h1>{"Edit the template" if edits else "Look at the template"}</h1>
<p class="faint">{escape(state)}</p>
<div class="field"><label for="name">Name</label>
<input id="name" value="{escape(name)}"{"" if renames else " readonly"}></div>
<fieldset><legend>Variables</legend><div class="rows" id="variables"></div>
<button type="button" class="button add-variable">Add a variable</button></fieldset>
<div id="loops"></div>
<div class="actions">{add_loop}</div>
<p id="status" role="status"></p>
<div class="actions">{buttons}
<button type="button" class="button" id="close" hidden>Close</button></div>
</form>
<datalist id="catalog">{offers}</datalist>
{_TEMPLATES}
</div>"""


def _catalog(content: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The fields that are offered, by their keys with the namespace, which may be in them."""
    fields: dict[str, Mapping[str, Any]] = {}
    for namespace in content.get("namespaces", ()):
        for field in namespace["fields"]:
            key = field["key"] if "." in field["key"] else f"{namespace['key']}.{field['key']}"
            fields[key] = field
    for loop in content.get("loops", ()):
        for field in loop["itemFields"]:
            fields.setdefault(field["key"], field)
    return fields
