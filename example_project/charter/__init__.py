"""Boats, guests, bookings, and the handover of a boat to a guest."""
