"""What the suites share: the hub's URL, and names that no other test uses.

A suite is a script that takes the hub's URL, `http://owner:TOKEN@127.0.0.1:PORT/`.
"""

import itertools
import os
import sys
import unittest
from urllib.parse import urlsplit

_names = itertools.count(1)


class Hub:
    """The hub under test, taken apart for clients that want pieces."""

    def __init__(self, url):
        parts = urlsplit(url)
        self.url = url
        self.host = parts.hostname
        self.port = parts.port
        self.origin = f"{parts.scheme}://{parts.hostname}:{parts.port}"
        self.user = parts.username
        self.token = parts.password


hub = Hub(sys.argv[1]) if len(sys.argv) > 1 else None


def fresh_name(prefix="python"):
    """A database name that no other test uses."""
    return f"{prefix}-{os.getpid()}-{next(_names)}"


def numbered(count):
    """Documents `doc-000`, `doc-001`, …"""
    return [{"_id": f"doc-{n:03}", "n": n} for n in range(count)]


def main():
    """Runs the calling script's tests; ends with 1 when one fails."""
    unittest.main(argv=[sys.argv[0]], verbosity=2)
