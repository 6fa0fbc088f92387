"""The small languages of the config: JSONPath, placeholders, matchers, rules.

Pure: nothing here does I/O or knows a connection.
"""
