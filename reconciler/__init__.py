"""The loop that joins the stations, and what people see of it."""
