"""What all routes need of HTTP."""
