"""From messages to records: what becomes of each batch that the feed hands on.

Of the feed only what it hands on is known here.
"""
