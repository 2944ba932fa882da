from __future__ import annotations

from django.apps import AppConfig


class EnduranceConfig(AppConfig):
    name = "tests.endurance"
    label = "endurance"
