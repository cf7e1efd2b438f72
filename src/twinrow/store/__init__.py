"""What twinrow remembers: functions by family of tables, each taking a database transaction."""
