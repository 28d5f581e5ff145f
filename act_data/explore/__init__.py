"""``act-data explore``: pairs, trajectories and evaluation episodes on local web pages."""
