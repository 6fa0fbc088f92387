"""HTTP requests of the config: for credentials, topics and steps of a subscription.

Which of them are made, and when, is decided in `auth` and `feed`.
"""
