"""Who proposes actions: scripted policies and language models, here or behind an endpoint."""
