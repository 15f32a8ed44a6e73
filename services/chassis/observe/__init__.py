"""What is seen from outside: structured logs, traces and metrics. None of them ever carries personal data."""
