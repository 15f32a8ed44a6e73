"""MongoDB for a cluster: roles, users, collections and indexes, made by Jobs of the chart or by an administrator."""
