//! Sealed columns: names, phones, ID numbers, addresses and agreement texts are AES-256-GCM under a key per customer, which is
//! itself wrapped by the shop's key. The shop's key lives in a file outside the shop folder. Equal-match look-ups use a keyed hash,
//! because a plain hash of a phone or an ID number is undone by trying them all.

use anyhow::{Result, anyhow, bail};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};

use crate::config::KEY_LEN;

/// The shop's keys, derived from the one in the key file.
pub struct Keyring {
    wrap: LessSafeKey,
    lookup: hmac::Key,
    random: SystemRandom,
}

/// The key of one customer.
pub struct CustomerKey(LessSafeKey);

impl Keyring {
    /// From the bytes of the key file.
    pub fn new(shop_key: &[u8; KEY_LEN]) -> Keyring {
        let base = hmac::Key::new(hmac::HMAC_SHA256, shop_key);
        let derived = |purpose: &str| hmac::sign(&base, purpose.as_bytes());
        Keyring {
            wrap: aes(derived("kibble wrap 1").as_ref()),
            lookup: hmac::Key::new(hmac::HMAC_SHA256, derived("kibble lookup 1").as_ref()),
            random: SystemRandom::new(),
        }
    }

    /// Fresh random bytes for a new shop key.
    ///
    /// # Errors
    /// When the machine has no source of randomness.
    pub fn fresh_key() -> Result<[u8; KEY_LEN]> {
        let mut bytes = [0; KEY_LEN];
        SystemRandom::new().fill(&mut bytes).map_err(|_| anyhow!("no random numbers on this machine"))?;
        Ok(bytes)
    }

    /// A new customer key, and how it is kept in the database.
    pub(super) fn new_customer_key(&self) -> Result<(CustomerKey, Vec<u8>)> {
        let bytes = Keyring::fresh_key()?;
        Ok((CustomerKey(aes(&bytes)), self.seal(&self.wrap, "customer key", &bytes)?))
    }

    /// The customer key kept as `wrapped`.
    pub(super) fn customer_key(&self, wrapped: &[u8]) -> Result<CustomerKey> {
        Ok(CustomerKey(aes(&unseal(&self.wrap, "customer key", wrapped)?)))
    }

    /// Seals `text` of a column under a customer's key.
    pub(super) fn seal_text(&self, key: &CustomerKey, column: &str, text: &str) -> Result<Vec<u8>> {
        self.seal(&key.0, column, text.as_bytes())
    }

    /// Seals with the shop's own key, for the check of the key itself.
    pub(super) fn seal_for_shop(&self, column: &str, text: &str) -> Result<Vec<u8>> {
        self.seal(&self.wrap, column, text.as_bytes())
    }

    /// True when `sealed` opens under this shop's key.
    pub(super) fn opens(&self, column: &str, sealed: &[u8]) -> bool {
        unseal(&self.wrap, column, sealed).is_ok()
    }

    /// The look-up hash of `value` in `column`; equal values of one shop have equal hashes.
    pub(super) fn lookup(&self, column: &str, value: &str) -> Vec<u8> {
        let mut context = hmac::Context::with_key(&self.lookup);
        context.update(column.as_bytes());
        context.update(&[0]);
        context.update(value.as_bytes());
        context.sign().as_ref()[..16].to_vec()
    }

    fn seal(&self, key: &LessSafeKey, column: &str, plain: &[u8]) -> Result<Vec<u8>> {
        let mut nonce = [0; NONCE_LEN];
        self.random.fill(&mut nonce).map_err(|_| anyhow!("no random numbers on this machine"))?;
        let mut sealed = Vec::with_capacity(NONCE_LEN + plain.len() + AES_256_GCM.tag_len());
        sealed.extend_from_slice(&nonce);
        let mut body = plain.to_vec();
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(column.as_bytes()), &mut body)
            .map_err(|_| anyhow!("a column could not be sealed"))?;
        sealed.append(&mut body);
        Ok(sealed)
    }
}

impl CustomerKey {
    /// Opens `sealed` of a column.
    pub(super) fn open_text(&self, column: &str, sealed: &[u8]) -> Result<String> {
        Ok(String::from_utf8(unseal(&self.0, column, sealed)?)?)
    }
}

fn unseal(key: &LessSafeKey, column: &str, sealed: &[u8]) -> Result<Vec<u8>> {
    if sealed.len() < NONCE_LEN {
        bail!("the sealed {column} is cut short");
    }
    let (nonce, body) = sealed.split_at(NONCE_LEN);
    let mut body = body.to_vec();
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| anyhow!("the sealed {column} is cut short"))?;
    let plain = key
        .open_in_place(nonce, Aad::from(column.as_bytes()), &mut body)
        .map_err(|_| anyhow!("the sealed {column} does not open with this key"))?;
    Ok(plain.to_vec())
}

fn aes(bytes: &[u8]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, bytes).expect("an AES-256 key has 32 bytes"))
}

#[cfg(test)]
mod tests {
    use super::Keyring;

    #[test]
    fn a_column_opens_only_with_its_own_key_and_name() {
        let ring = Keyring::new(&[7; 32]);
        let (key, wrapped) = ring.new_customer_key().unwrap();
        let sealed = ring.seal_text(&key, "name", "王小明").unwrap();
        assert!(!sealed.windows(3).any(|bytes| bytes == "王".as_bytes()));
        let again = ring.customer_key(&wrapped).unwrap();
        assert_eq!(again.open_text("name", &sealed).unwrap(), "王小明");
        assert!(again.open_text("phone", &sealed).is_err());
        assert!(Keyring::new(&[8; 32]).customer_key(&wrapped).is_err());
        assert!(again.open_text("name", &sealed[..5]).is_err());
    }

    #[test]
    fn look_up_hashes_match_within_one_shop_only() {
        let (one, two) = (Keyring::new(&[1; 32]), Keyring::new(&[2; 32]));
        assert_eq!(one.lookup("phone", "13800000002"), one.lookup("phone", "13800000002"));
        assert_ne!(one.lookup("phone", "13800000002"), two.lookup("phone", "13800000002"));
        assert_ne!(one.lookup("phone", "x"), one.lookup("name", "x"));
    }
}
