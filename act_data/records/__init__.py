"""Episodes that others recorded: reading their files, and playing them again."""
