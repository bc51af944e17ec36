"""The schema's versions, one a module.

MariaDB commits each statement that changes the schema, so a migration that was broken off is half done when it is run
again: each of its statements bears to be repeated. SQLite takes back the whole of it.
"""
