"""Signature requests and their recipients."""
