"""The six ALFWorld household tasks: a native engine, experts and a generator of games."""
