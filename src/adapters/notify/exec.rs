//! Runs a program for each message.
