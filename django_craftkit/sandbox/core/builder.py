"""The builder: templates made of a layout, and those that people edit on its page (section 4.5).

Craftkit's documentation has no schema of a layout. Here a layout is one that can be read if it has
a list `sections` or `pages`; its manifest are the names in curly braces in all of its texts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from . import handlebars, templates
from .checks.shape import Shape
from .checks.templates import check_content
from .errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .checks.templates import Content, Manifest
    from .projects import Project
    from .sessions import EmbedSession
    from .state import State
    from .templates import Template

UNTITLED: Final = "Untitled template"


def create(
    state: State,
    project: Project,
    name: str,
    layout: Mapping[str, object] | None,
    *,
    may_publish: bool,
) -> Template:
    """A new template; version 1 of it if the layout can be read and the caller may publish."""
    content = _content_of(name, layout)
    template = templates.publish(
        state,
        project,
        templates.suffixed_slug(project, name),
        content or {"name": name, "manifest": {"variables": [], "loops": []}},
        unpublished=content is None or not may_publish,
    )
    if content is not None and not may_publish:
        template.draft = content
    return template


def opened(session: EmbedSession) -> tuple[Template | None, str, Manifest]:
    """What the builder shows: the template, if there is one yet, its name and its manifest."""
    template = session.template() if session.template_id is not None else None
    if template is None and session.mode != "create":
        raise Refusal("template_not_resolved", "The session's scope names no template.")
    if template is None:
        return None, UNTITLED, {"variables": [], "loops": []}
    if template.draft is not None:
        return template, template.draft["name"], template.draft["manifest"]
    manifest = template.current.manifest if template.current else None
    return template, template.name, manifest or {"variables": [], "loops": []}


def save(
    state: State, session: EmbedSession, body: Mapping[str, object], *, publish: bool
) -> Template:
    """Keep what was edited as a draft, or publish it as the next version.

    Raises:
        Refusal: `wrong_mode`, `permission_denied`; the template is gone or can't be like that.
    """
    if session.mode not in ("edit", "create"):
        raise Refusal("wrong_mode", f"This is a session to {session.mode}.")
    session.refuse_without("publish" if publish else "saveDraft")
    template, name, _ = opened(session)
    content = check_content(
        Shape({"name": body.get("name"), "manifest": body.get("manifest")}), from_builder=True
    )
    if template is not None and session.mode == "edit" and content["name"] != name:
        session.refuse_without("rename")
    if template is not None:
        content["description"] = template.description
        if template.current is not None:
            content["pageConfig"] = template.current.page_config
            content["layoutTexts"] = template.current.layout_texts
    slug = template.slug if template else templates.suffixed_slug(session.project, content["name"])
    if template is not None and not publish:
        templates.save_draft(state, session.project, template, content)
        return template
    template = templates.publish(state, session.project, slug, content, unpublished=not publish)
    template.draft = None if publish else content
    session.template_id = template.id
    return template


def _content_of(name: str, layout: Mapping[str, object] | None) -> Content | None:
    if layout is None or not any(
        isinstance(layout.get(key), list) for key in ("sections", "pages")
    ):
        return None
    try:
        found = sorted(set().union(*(handlebars.names(text) for text in _texts(layout))))
        variables = [{"key": key, "label": key, "dataType": "text"} for key in found]
        body = {"name": name, "manifest": {"variables": variables, "loops": []}}
        return check_content(Shape(body), from_builder=True)
    except ValueError:  # what is between the braces is more than names
        return None


def _texts(node: Any) -> Iterator[str]:
    match node:
        case str():
            yield node
        case dict():
            for value in node.values():
                yield from _texts(value)
        case list():
            for value in node:
                yield from _texts(value)
