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
        from . import waking

        # For what they register: system checks, what callers wait for, Celery's tasks.
        registering = ["checks", "waking.checks", "reconcile.single"]
        if waking.is_by_celery():
            registering.append("tasks")
        for name in registering:
            import_module(f"{self.name}.{name}")
        waking.prepare()
        autodiscover_modules("craftkit")
