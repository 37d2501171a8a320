"""Template filters of the question pages."""
