//! Percent-encoding as providers sign it (RFC 3986): UTF-8, capitals, everything but unreserved characters.

/// `text` for a path, a query or a link.
pub fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len() * 3 / 2);
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// `text` for a form: as [`encoded`], with a space as `+`.
pub fn in_form(text: &str) -> String {
    encoded(text).replace("%20", "+")
}

#[cfg(test)]
mod tests {
    use super::{encoded, in_form};

    #[test]
    fn addresses_are_encoded_once_with_capitals() {
        assert_eq!(
            encoded("https://shop.example/papay?x=王 *"),
            "https%3A%2F%2Fshop.example%2Fpapay%3Fx%3D%E7%8E%8B%20%2A"
        );
        assert_eq!(in_form("a b+c%20"), "a+b%2Bc%2520");
    }
}
