"""The kinds of hostile input of ``soak_fuzz.py``, and what watches over each case."""
