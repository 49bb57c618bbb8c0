"""Scripts that run in processes of their own are no tests: they import what is not installed here."""

collect_ignore_glob = ["*_process.py"]
