"""What surrounds the market: which series there are, who publishes them, how they are asked for and read.

`sources` declares each of them, with the address it is asked at and the pure function that reads its answer; `client`
is the way there and back. What becomes of an answer is `ingest`'s matter, how long a value is carried dbt's. Context
has no weight in the score. Large holders are announced, not asked for: they stand in the seed `holders` of dbt.
"""
