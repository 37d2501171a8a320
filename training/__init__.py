"""How the bundled cross-encoder is made. Not imported by the application."""
