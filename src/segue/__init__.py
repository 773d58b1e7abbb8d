"""Segue: from listening logs to what happens next, without ever looking ahead."""

__version__ = "0.1.0"
