"""What a person does at the command line, against real parts: two sandboxes over HTTPS, SQLite files, processes."""
