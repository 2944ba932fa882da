"""Links to documents and e-mails with one: sent, heard of, settled, adopted."""
