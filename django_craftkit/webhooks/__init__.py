"""Webhooks from Craftkit: verified, stored, answered. What they say is the worker's business."""
