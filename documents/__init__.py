"""Knowledge bases, their documents, and the chunks that are searched."""
