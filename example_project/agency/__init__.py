"""The project. Celery's app is imported here so that every process of the site has it."""

from agency.celery import app as celery_app

__all__ = ["celery_app"]
