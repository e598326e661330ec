"""nbgrader's settings: see INSTRUCTORS.md."""

from dipcourse import grading

c = get_config()  # noqa: F821
grading.configure(c)
