"""Tests whose point is a real process. Their Celery app is the suite's, with the settings here."""
