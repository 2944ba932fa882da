"""Links and e-mails with one."""
