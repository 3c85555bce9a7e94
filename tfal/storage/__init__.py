"""What survives a kill: folders, tables, arrays, weights and features on disk."""
