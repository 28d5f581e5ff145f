"""One script per published number. Each prints one table; ``--json FILE`` writes the same rows."""
