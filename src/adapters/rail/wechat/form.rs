//! Percent-encoding as WeChat Pay wants it: UTF-8, capitals, everything but unreserved characters.

/// `text` for a path or a query.
pub(super) fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::encoded;

    #[test]
    fn addresses_are_encoded_once_with_capitals() {
        assert_eq!(
            encoded("https://shop.example/papay?x=王 *"),
            "https%3A%2F%2Fshop.example%2Fpapay%3Fx%3D%E7%8E%8B%20%2A"
        );
    }
}
