"""Programs that the tap is measured beside, and the tap on its slow way."""
