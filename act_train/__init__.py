"""Training and evaluation on contrast pairs. Import stages by name; nothing loads torch here."""
