"""What is known of messages that are built alike, to take many of them at once.

A message's values are told from what stands between them (`shape`). Where each of them
goes makes a template (`maker`), which a regular expression applies to all messages of a
batch. The templates of a feed are kept as long as they are worth it (`cache`).
"""
