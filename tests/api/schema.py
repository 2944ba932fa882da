"""The OpenAPI document of the API, as ``docs/openapi.yaml`` keeps it: ``make schema``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

KEPT = Path(__file__).resolve().parents[2] / "docs" / "openapi.yaml"
PREFIX = "api/craftkit/"


def generate() -> dict[str, Any]:
    """Return the document, under the prefix that the documentation proposes."""
    from django.urls import include, path
    from drf_spectacular.generators import SchemaGenerator
    from drf_spectacular.settings import patched_settings

    import django_craftkit

    said = {
        "TITLE": "django-craftkit",
        "DESCRIPTION": "Documents for a front end.",
        "VERSION": django_craftkit.__version__,
    }
    with patched_settings(said):
        patterns = [path(PREFIX, include("django_craftkit.api.urls"))]
        schema: dict[str, Any] = SchemaGenerator(patterns=patterns).get_schema(public=True)
    return schema


def written() -> str:
    from drf_spectacular.renderers import OpenApiYamlRenderer

    text: str = OpenApiYamlRenderer().render(generate(), renderer_context={}).decode()
    return text


if __name__ == "__main__":
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    KEPT.write_text(written(), encoding="utf-8")
