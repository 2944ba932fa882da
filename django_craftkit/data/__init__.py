"""A document's data before they are sent: made JSON, and checked against the template's manifest.

Nothing here asks a database or Craftkit for anything; a lazy queryset among the data is read.
"""

from .check import check
from .convert import NotConvertible, convert
from .findings import Finding, FindingCode, codes_of, errors_in, message_of, worded

__all__ = [
    "Finding",
    "FindingCode",
    "NotConvertible",
    "check",
    "codes_of",
    "convert",
    "errors_in",
    "message_of",
    "worded",
]
