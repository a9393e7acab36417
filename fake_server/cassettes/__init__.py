"""Cassettes: record what a server answers, replay it, and route operations to one server or another."""
