"""The HTTP server: its app, its controls, the scripted backend, the pytest plugin and the command."""
