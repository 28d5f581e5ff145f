"""Which of two actions is better: the readings of ``act-data verify``."""
