"""Parts of ``act-train judge``: who judges, on which pairs, and what the choices add up to."""
