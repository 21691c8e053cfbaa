//! The Chinese tables, one per word. A pair is the English as it stands in the code, and its Chinese.

mod sandbox;

/// Pairs of English and Chinese.
pub type Table = &'static [(&'static str, &'static str)];

/// All tables.
pub const TABLES: &[Table] = &[sandbox::TABLE];
