//! `kibble demo`.
