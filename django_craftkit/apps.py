"""The app ``craftkit``."""

from __future__ import annotations

from importlib import import_module

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules
from django.utils.translation import gettext_lazy as _


class CraftkitConfig(AppConfig):
    name = "django_craftkit"
    label = "craftkit"
    verbose_name = _("Craftkit documents")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from . import dispatch

        # For what they register: system checks, Celery's tasks, what callers wait for.
        for name in ("checks", "tasks", "reconcile.single"):
            import_module(f"{self.name}.{name}")
        dispatch.remember_celery_app()
        autodiscover_modules("craftkit")
