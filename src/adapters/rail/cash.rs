//! Paid at the counter.
