"""People: sign-in, the first administrator, and the record of who changed what."""
