"""What the pages call is called in the project that type checkers read, too: ``tests/typing``."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from django_craftkit import client, models
from django_craftkit.models.render import RenderManager
from django_craftkit.models.share import ShareManager
from django_craftkit.models.signature import SignatureRequestManager
from django_craftkit.sandbox import Sandbox
from django_craftkit.testing import Kit
from tests.docs import pages

if TYPE_CHECKING:
    from collections.abc import Iterable

PROJECT = pages.ROOT / "tests" / "typing" / "shop"
#: Whose methods the pages call.
OURS: tuple[Any, ...] = (
    models.Render,
    models.Share,
    models.SignatureRequest,
    RenderManager,
    ShareManager,
    SignatureRequestManager,
    client.Craftkit,
    Sandbox,
    Kit,
)
#: Of Django's own names, which these classes have as well.
DJANGOS = {*dir(models.Change), *dir(models.Change.objects)}


def calls(texts: Iterable[str]) -> set[str]:
    return {
        node.func.attr
        for text in texts
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }


def test_each_method_that_a_page_calls_is_checked_by_type_checkers():
    ours = {name for one in OURS for name in dir(one) if not name.startswith("_")} - DJANGOS
    shown = calls(block.text for block in pages.blocks("python")) & ours
    assert {"request", "for_object", "share", "email", "cancel", "run", "sign"} <= shown
    assert shown <= calls(path.read_text() for path in PROJECT.glob("*.py"))
