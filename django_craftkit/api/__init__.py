"""The HTTP API of this site: documents for a front end. Needs ``django-craftkit[api]``.

path("api/craftkit/", include("django_craftkit.api.urls"))
"""
