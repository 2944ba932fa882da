"""What an iframe of an embed session shows: the form, the builder."""

from __future__ import annotations

from . import builder, form

ROUTES = [form.routes, builder.routes]
