"""What trials and trainings say, and how sure one can be of it."""
