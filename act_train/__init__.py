"""Training and evaluation on contrast pairs. Import the stages by name; nothing loads torch here."""
