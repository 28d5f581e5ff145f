"""Parts of ``act-train evaluate`` and ``compare``: who plays, what is played, what is read off."""
