//! Background jobs: each has `run_once()`; the loops are here.
