"""netmon watches a province's dedicated government data network and the sensors on it."""
