"""Long work in a folder: cut into parts, done here, in processes or on a cluster, resumed."""
