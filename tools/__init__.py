"""Tools that keep the course consistent; none of them is needed to take it."""
