"""The console: a page of static files, served by the API."""
