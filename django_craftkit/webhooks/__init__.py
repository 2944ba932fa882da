"""Webhooks from Craftkit: verified, stored, answered. What they say is the worker's business:
``reconcile/deliveries.py`` reads them and applies them to their rows.
"""
