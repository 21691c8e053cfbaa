//! Breaks things in a shop's database behind kibble's back, as a curious person with a database tool would.

use rusqlite::Connection;

use crate::shop::Shop;

/// Runs statements on the shop's database, without its foreign keys.
pub fn sql(shop: &Shop, statements: &str) {
    let connection = Connection::open(shop.path("shop.db")).unwrap();
    connection.pragma_update(None, "foreign_keys", false).unwrap();
    connection.execute_batch(statements).unwrap_or_else(|error| panic!("{statements}: {error}"));
}

/// Runs statements on the pretended provider's own book.
pub fn sandbox_sql(shop: &Shop, statements: &str) {
    Connection::open(shop.path("sandbox.db")).unwrap().execute_batch(statements).unwrap();
}
