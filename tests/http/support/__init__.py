"""Shared by the tests: the program under test, a client that remembers every reply, pictures and data made here."""
