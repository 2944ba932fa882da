"""Celery, as its own documentation sets it up for Django."""

import os

import file_broker  # noqa: F401 - mends the broker that the demonstration uses
from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "agency.settings")

app = Celery("agency")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
