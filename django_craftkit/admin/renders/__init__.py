"""Documents: ``admin`` has the list, ``page`` what one shows, ``buttons`` what can be done."""
