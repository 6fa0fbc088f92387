"""The schema: inference, evolution, rescue, and what every target can hold.

Nothing here knows a setting or where a record came from.
"""
