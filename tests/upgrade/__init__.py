"""Databases that an earlier version has filled, upgraded and worked on."""
