"""Two invented schools, their people and their transcripts: what `placet demo` and many tests begin with."""
