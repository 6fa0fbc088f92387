"""Each recipe of docs/recipes, run as printed against its protocol."""
