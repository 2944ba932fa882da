"""PDFs as answers to requests: streamed, kept by no cache, and errors in words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ImproperlyConfigured
from django.http import FileResponse
from django.utils.text import slugify
from django.utils.translation import gettext as _

from django_craftkit.log import get_logger
from django_craftkit.models import CraftkitError, RenderFailed

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

    from django.db.models import Model

logger = get_logger(__name__)


def streamed(
    fetch: Callable[[], BinaryIO], name: str, row: Model
) -> tuple[FileResponse | None, str]:
    """Return a PDF as a response; else ``None``, and why Craftkit or the archive has none."""
    # Names and keys may be about people: the log has the number alone.
    what = f"{row._meta.model_name} {row.pk}"
    try:
        pdf = fetch()
    except RenderFailed:
        raise
    except (CraftkitError, ImproperlyConfigured) as error:
        logger.warning("A file of %s could not be opened: %s", what, error)
        # What is wrong with settings is no business of whoever reads documents.
        return None, error.message if isinstance(error, CraftkitError) else ""
    except Exception:
        # A storage raises what it likes, a file that was moved away included.
        logger.exception("The archive did not hand out a file of %s.", what)
        return None, _("This site's archive did not hand it out.")
    response = FileResponse(pdf, content_type="application/pdf", filename=file_name(row, name))
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cache-Control"] = "private, no-store"
    return response, ""


def file_name(row: Any, name: str) -> str:
    """Return what the PDF of a row is called: as its ``filename`` says, else by ``name``."""
    given = re.sub(r"[/\\]", "-", getattr(row, "filename", ""))
    if given:
        return given if given.lower().endswith(".pdf") else f"{given}.pdf"
    return f"{slugify(name) or f'document-{row.pk}'}.pdf"
