"""Craftkit in Django: documents rendered, shared and followed from your own database."""

__version__ = "0.1.0"
