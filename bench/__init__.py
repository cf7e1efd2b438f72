"""Speed: a fixed workload, plain loops over it, and twinrow's own runs beside them. `python -m bench --help` names the jobs."""
