"""Who moves next: one strategy a file, all behind one protocol."""
