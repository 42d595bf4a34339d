"""`make bench`: what netmon costs, measured beside what people use today. Results go to bench/results and docs."""
