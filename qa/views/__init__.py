"""Pages of chat and review. Each view's first line is its access check."""
