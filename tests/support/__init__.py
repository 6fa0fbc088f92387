"""What the tests bring and start themselves."""
