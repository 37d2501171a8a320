"""PostgreSQL, Redis, workers and the web server of one machine, started by one command."""
