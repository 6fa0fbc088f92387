"""What is known of documents that are built alike, to take many of them at once.

A document's values are told from what stands between them (`shape`). Where each of them
goes makes a template (`maker`), which a regular expression applies to all documents of
a batch. The templates of a feed are kept as long as they are worth it (`cache`).
"""
