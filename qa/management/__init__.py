"""Commands of questions and answers."""
