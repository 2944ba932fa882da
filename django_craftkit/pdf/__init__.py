"""What can be told of a PDF: where a text is in it, and what a signed file says of itself.

Needs pypdf: the extra ``django-craftkit[pdf]``. Nothing in here raises over a file, whatever is in
it, and nothing writes.
"""
