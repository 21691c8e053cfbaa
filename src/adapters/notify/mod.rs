//! Channels that carry messages.
