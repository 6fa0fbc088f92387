"""The websockets library: its transport and its errors."""
