"""How fast the tap is, beside its peers."""
