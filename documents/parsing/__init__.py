"""From a file to a ``ParsedDocument``: one module per format, run by a separate limited program."""
