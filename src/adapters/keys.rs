//! Keys, certificates, signatures and hashes as payment and message providers want them. Owns no protocol: what is signed is the
//! adapter's business. All secret arithmetic is `ring`'s; MD5 and two old AES modes, which it rightly lacks, come from their crates.

use std::sync::atomic::{AtomicU64, Ordering};

use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{Array, BlockCipherDecrypt, BlockModeDecrypt, BlockModeEncrypt, KeyInit, KeyIvInit};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Duration};
use md5::{Digest, Md5};
use ring::rand::SystemRandom;
use ring::signature::{KeyPair, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair, UnparsedPublicKey};
use ring::{aead, digest, hmac};
use x509_cert::der::{Decode, Encode};
use x509_cert::spki::SubjectPublicKeyInfoRef;

use crate::domain::date::At;
use crate::t;

/// Why a text is not the key it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyFault {
    /// Neither PEM nor base64 of a key.
    NotAKey,
    /// A public key where a private one belongs.
    PublicKey,
    /// A private key where a public one belongs.
    PrivateKey,
    /// A certificate where a private key belongs.
    Certificate,
    /// A certificate belongs here.
    NotACertificate,
    /// It is locked with a password.
    Encrypted,
    /// Shorter than 2048 bits, or not RSA.
    Weak,
}

impl KeyFault {
    /// In plain words.
    pub fn text(self) -> String {
        match self {
            KeyFault::NotAKey => t!("this is no key: neither PEM nor base64"),
            KeyFault::PublicKey => t!("this is a public key; the private one belongs here"),
            KeyFault::PrivateKey => t!("this is a private key; a public one belongs here"),
            KeyFault::Certificate => t!("this is a certificate; the private key belongs here"),
            KeyFault::NotACertificate => t!("this is no certificate"),
            KeyFault::Encrypted => t!("this key is locked with a password; unlock it and save it without one"),
            KeyFault::Weak => t!("this is no RSA key of 2048 bits or more"),
        }
    }
}

/// An RSA private key.
pub struct PrivateKey {
    pair: RsaKeyPair,
    random: SystemRandom,
}

impl std::fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PrivateKey(***)")
    }
}

impl PrivateKey {
    /// Reads PKCS#8 or PKCS#1, as PEM or as the bare base64 that providers' tools hand out.
    ///
    /// # Errors
    /// [`KeyFault`].
    pub fn read(text: &str) -> Result<PrivateKey, KeyFault> {
        let (label, der) = unwrap_pem(text)?;
        match label.as_deref() {
            Some(label) if label.contains("ENCRYPTED") => return Err(KeyFault::Encrypted),
            Some(label) if label.ends_with("PUBLIC KEY") => return Err(KeyFault::PublicKey),
            Some("CERTIFICATE") => return Err(KeyFault::Certificate),
            _ => {}
        }
        let pair = RsaKeyPair::from_pkcs8(&der).or_else(|_| RsaKeyPair::from_der(&der)).map_err(|_| {
            match (public_bytes(&der), x509_cert::Certificate::from_der(&der)) {
                (Some(_), _) => KeyFault::PublicKey,
                (None, Ok(_)) => KeyFault::Certificate,
                (None, Err(_)) if der.first() == Some(&0x30) => KeyFault::Weak,
                (None, Err(_)) => KeyFault::NotAKey,
            }
        })?;
        Ok(PrivateKey { pair, random: SystemRandom::new() })
    }

    /// RSASSA-PKCS1-v1_5 with SHA-256 over `message`, base64.
    pub fn sign(&self, message: &[u8]) -> String {
        let mut signature = vec![0; self.pair.public().modulus_len()];
        self.pair
            .sign(&RSA_PKCS1_SHA256, &self.random, message, &mut signature)
            .expect("a key that was read signs into a buffer of its own size");
        STANDARD.encode(signature)
    }

    /// Its public half.
    pub fn public(&self) -> PublicKey {
        PublicKey { pkcs1: self.pair.public_key().as_ref().to_vec() }
    }
}

/// An RSA public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    pkcs1: Vec<u8>,
}

impl PublicKey {
    /// Reads a public key (SPKI or PKCS#1) or the one in a certificate, as PEM or bare base64.
    ///
    /// # Errors
    /// [`KeyFault`].
    pub fn read(text: &str) -> Result<PublicKey, KeyFault> {
        let (label, der) = unwrap_pem(text)?;
        if label.as_deref().is_some_and(|it| it.ends_with("PRIVATE KEY")) {
            return Err(KeyFault::PrivateKey);
        }
        if let Ok(certificate) = x509_cert::Certificate::from_der(&der) {
            return PublicKey::of(&certificate);
        }
        match public_bytes(&der) {
            Some(pkcs1) => Ok(PublicKey { pkcs1 }),
            None if RsaKeyPair::from_pkcs8(&der).or_else(|_| RsaKeyPair::from_der(&der)).is_ok() => {
                Err(KeyFault::PrivateKey)
            }
            None => Err(KeyFault::NotAKey),
        }
    }

    fn of(certificate: &x509_cert::Certificate) -> Result<PublicKey, KeyFault> {
        let info = certificate.tbs_certificate().subject_public_key_info();
        let der = info.to_der().map_err(|_| KeyFault::NotAKey)?;
        public_bytes(&der).map(|pkcs1| PublicKey { pkcs1 }).ok_or(KeyFault::Weak)
    }

    /// Whether `signature` (base64) is this key's over `message`: RSASSA-PKCS1-v1_5 with SHA-256, keys of 2048 bits or more.
    pub fn verifies(&self, message: &[u8], signature: &str) -> bool {
        let Ok(signature) = STANDARD.decode(signature.trim()) else { return false };
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &self.pkcs1).verify(message, &signature).is_ok()
    }
}

/// Days before its end from which a certificate is worth a word.
const SOON_DAYS: i64 = 30;

/// Whether a certificate may be relied on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is over.
    Expired,
    /// It has not begun: most likely a clock is wrong.
    NotYet,
    /// It ends within a month.
    EndsSoon,
    /// Well.
    Good,
}

/// A certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Its key.
    pub key: PublicKey,
    /// Serial number, decimal.
    pub serial_decimal: String,
    /// Serial number, upper-case hex without leading zeros.
    pub serial_hex: String,
    /// The issuer as `CN=…,OU=…,O=…,C=…`.
    pub issuer: String,
    /// The subject, in the same form.
    pub subject: String,
    /// OID of the signature algorithm.
    pub signature_oid: String,
    /// First moment of validity.
    pub not_before: At,
    /// Last moment of validity.
    pub not_after: At,
}

impl Certificate {
    /// Reads the first certificate of a PEM text, or bare base64.
    ///
    /// # Errors
    /// [`KeyFault`].
    pub fn read(text: &str) -> Result<Certificate, KeyFault> {
        let (_, der) = unwrap_pem(text)?;
        Certificate::from_der(&der)
    }

    /// Every certificate of a PEM bundle whose key is RSA; others are passed over, as Alipay's root bundle holds some.
    pub fn read_all(text: &str) -> Vec<Certificate> {
        // Each block ends where the next one begins at the latest, so that a bundle of nothing but beginnings is read once.
        let blocks = text.split("-----BEGIN ").skip(1);
        blocks.filter_map(|block| Certificate::read(&format!("-----BEGIN {block}")).ok()).collect()
    }

    /// How it stands at `now`.
    pub fn standing(&self, now: At) -> Standing {
        match () {
            () if self.not_after < now => Standing::Expired,
            () if self.not_before > now => Standing::NotYet,
            () if self.not_after < now + Duration::days(SOON_DAYS) => Standing::EndsSoon,
            () => Standing::Good,
        }
    }

    fn from_der(der: &[u8]) -> Result<Certificate, KeyFault> {
        let certificate = x509_cert::Certificate::from_der(der).map_err(|_| KeyFault::NotACertificate)?;
        let inner = certificate.tbs_certificate();
        let serial = inner.serial_number().as_bytes();
        let moment = |time: &x509_cert::time::Time| {
            let seconds = i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX);
            DateTime::from_timestamp(seconds, 0).unwrap_or(DateTime::<chrono::Utc>::MAX_UTC)
        };
        let hex: String = serial.iter().map(|byte| format!("{byte:02X}")).collect();
        Ok(Certificate {
            key: PublicKey::of(&certificate)?,
            serial_decimal: decimal(serial),
            serial_hex: hex.trim_start_matches('0').to_owned(),
            issuer: inner.issuer().to_string(),
            subject: inner.subject().to_string(),
            signature_oid: certificate.signature_algorithm().oid.to_string(),
            not_before: moment(&inner.validity().not_before),
            not_after: moment(&inner.validity().not_after),
        })
    }
}

/// The label and the bytes of the first PEM block, or the bytes of bare base64. Line breaks may be anywhere, as people paste keys.
fn unwrap_pem(text: &str) -> Result<(Option<String>, Vec<u8>), KeyFault> {
    let text = text.trim_start_matches('\u{feff}').trim();
    let (label, body) = match text.split_once("-----BEGIN ") {
        None => (None, text),
        Some((_, rest)) => {
            let (label, rest) = rest.split_once("-----").ok_or(KeyFault::NotAKey)?;
            let body = rest.split_once("-----END").map_or(rest, |(body, _)| body);
            if body.contains("Proc-Type:") {
                return Err(KeyFault::Encrypted);
            }
            (Some(label.trim().to_owned()), body)
        }
    };
    let packed: String = body.chars().filter(|it| !it.is_whitespace()).collect();
    let der = STANDARD.decode(packed).map_err(|_| KeyFault::NotAKey)?;
    if der.is_empty() { Err(KeyFault::NotAKey) } else { Ok((label, der)) }
}

/// The PKCS#1 bytes of an SPKI or PKCS#1 public key.
fn public_bytes(der: &[u8]) -> Option<Vec<u8>> {
    const RSA: &str = "1.2.840.113549.1.1.1";
    if let Ok(info) = SubjectPublicKeyInfoRef::from_der(der) {
        let bytes = info.subject_public_key.as_bytes()?;
        return (info.algorithm.oid.to_string() == RSA).then(|| bytes.to_vec());
    }
    // A PKCS#1 public key is a sequence of exactly two positive integers.
    let mut reader = x509_cert::der::SliceReader::new(der).ok()?;
    let numbers: Vec<x509_cert::der::asn1::UintRef<'_>> = x509_cert::der::Decode::decode(&mut reader).ok()?;
    (numbers.len() == 2).then(|| der.to_vec())
}

/// Big-endian bytes as a decimal number.
fn decimal(bytes: &[u8]) -> String {
    let mut digits = vec![0_u8];
    for byte in bytes {
        let mut carry = u32::from(*byte);
        for digit in &mut digits {
            let value = u32::from(*digit) * 256 + carry;
            *digit = u8::try_from(value % 10).expect("a remainder of ten is a digit");
            carry = value / 10;
        }
        while carry > 0 {
            digits.push(u8::try_from(carry % 10).expect("a remainder of ten is a digit"));
            carry /= 10;
        }
    }
    digits.iter().rev().map(|digit| char::from(b'0' + digit)).collect()
}

/// Words for calls that must never look the same twice. Derived, so that they can be told from what was called, and when.
#[derive(Debug, Default)]
pub struct Nonces {
    calls: AtomicU64,
}

impl Nonces {
    /// 32 letters and digits that no other call of this program has, made of the call and its moment.
    pub fn next(&self, now: At, about: &str) -> String {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        sha256_hex(format!("{} {now} {call} {about}", std::process::id()).as_bytes())[..32].to_owned()
    }
}

/// Bytes as lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).expect("four bits are a digit");
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// MD5, lower-case hex. Only where a provider's protocol demands it.
pub fn md5_hex(bytes: &[u8]) -> String {
    hex(Md5::digest(bytes).as_ref())
}

/// SHA-256, lower-case hex.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

/// SHA-1, lower-case hex. Only where a provider's protocol demands it.
pub fn sha1_hex(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, bytes).as_ref())
}

/// HMAC-SHA256.
pub fn hmac_sha256(key: &[u8], message: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message).as_ref().to_vec()
}

/// Whether two texts are the same, in a time that does not tell where they differ.
pub fn same(a: &str, b: &str) -> bool {
    a.len() == b.len() && a.bytes().zip(b.bytes()).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

/// Bytes as base64.
pub fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Base64 as bytes; white space is passed over.
pub fn unbase64(text: &str) -> Option<Vec<u8>> {
    let packed: String = text.chars().filter(|it| !it.is_whitespace()).collect();
    STANDARD.decode(packed).ok()
}

/// Opens AES-256-GCM: `sealed` ends with its 16-byte tag. `None` when key, nonce or tag do not fit.
pub fn open_gcm(key: &[u8], nonce: &[u8], associated: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let key = aead::LessSafeKey::new(aead::UnboundKey::new(&aead::AES_256_GCM, key).ok()?);
    let nonce = aead::Nonce::try_assume_unique_for_key(nonce).ok()?;
    let mut bytes = sealed.to_vec();
    key.open_in_place(nonce, aead::Aad::from(associated), &mut bytes).ok().map(|plain| plain.to_vec())
}

/// AES-128/192/256-CBC with PKCS#7 and a zero IV, as Alipay encrypts bodies. `None` for a key of another length.
pub fn seal_cbc(key: &[u8], plain: &[u8]) -> Option<Vec<u8>> {
    let iv = [0; 16];
    Some(match key.len() {
        16 => cbc::Encryptor::<aes::Aes128>::new_from_slices(key, &iv).ok()?.encrypt_padded_vec::<Pkcs7>(plain),
        24 => cbc::Encryptor::<aes::Aes192>::new_from_slices(key, &iv).ok()?.encrypt_padded_vec::<Pkcs7>(plain),
        32 => cbc::Encryptor::<aes::Aes256>::new_from_slices(key, &iv).ok()?.encrypt_padded_vec::<Pkcs7>(plain),
        _ => return None,
    })
}

/// Opens what [`seal_cbc`] sealed.
pub fn open_cbc(key: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let iv = [0; 16];
    match key.len() {
        16 => cbc::Decryptor::<aes::Aes128>::new_from_slices(key, &iv).ok()?.decrypt_padded_vec::<Pkcs7>(sealed).ok(),
        24 => cbc::Decryptor::<aes::Aes192>::new_from_slices(key, &iv).ok()?.decrypt_padded_vec::<Pkcs7>(sealed).ok(),
        32 => cbc::Decryptor::<aes::Aes256>::new_from_slices(key, &iv).ok()?.decrypt_padded_vec::<Pkcs7>(sealed).ok(),
        _ => None,
    }
}

/// Opens AES-256-ECB with PKCS#7, as WeChat's v2 refund notices are sealed (payment facts 2.7).
pub fn open_ecb(key: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    const BLOCK: usize = 16;
    let cipher = aes::Aes256::new_from_slice(key).ok()?;
    if sealed.is_empty() || !sealed.len().is_multiple_of(BLOCK) {
        return None;
    }
    let mut plain = Vec::with_capacity(sealed.len());
    for block in sealed.chunks_exact(BLOCK) {
        let mut block = Array::try_from(block).ok()?;
        cipher.decrypt_block(&mut block);
        plain.extend_from_slice(&block);
    }
    let pad = usize::from(*plain.last()?);
    let sound = (1..=BLOCK).contains(&pad) && plain[plain.len() - pad..].iter().all(|byte| usize::from(*byte) == pad);
    sound.then(|| plain[..plain.len() - pad].to_vec())
}

#[cfg(test)]
mod tests {
    use super::{Certificate, KeyFault, PrivateKey, PublicKey, decimal, open_cbc, open_ecb, open_gcm, same};

    /// The throw-away keys of the vectors, as bare base64.
    fn key(name: &str) -> String {
        let vectors: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/data/payment-vectors.json")).unwrap();
        let text = vectors["keys"][name].as_str().unwrap();
        text.lines().filter(|line| !line.starts_with("-----")).collect()
    }

    fn pem(label: &str, base64: &str) -> String {
        let lines: Vec<String> =
            base64.as_bytes().chunks(64).map(|it| String::from_utf8(it.to_vec()).unwrap()).collect();
        format!("-----BEGIN {label}-----\r\n{}\r\n-----END {label}-----\r\n", lines.join("\r\n"))
    }

    #[test]
    fn a_key_is_read_in_whatever_form_it_was_handed_out() {
        let (one, eight, public) = (key("app_private_pkcs1"), key("app_private_pkcs8"), key("app_public"));
        let spaced = format!("\u{feff} {} \n{}\n", &one[..100], &one[100..]);
        let forms = [pem("RSA PRIVATE KEY", &one), pem("PRIVATE KEY", &eight), one, eight, spaced];
        let public_forms = [pem("PUBLIC KEY", &public), public, key("app_cert")];
        for form in &forms {
            let private = PrivateKey::read(form).unwrap();
            let signature = private.sign("猫粮".as_bytes());
            for public in &public_forms {
                let public = PublicKey::read(public).unwrap();
                assert_eq!(public, private.public());
                assert!(public.verifies("猫粮".as_bytes(), &signature));
                assert!(!public.verifies("猫粮 ".as_bytes(), &signature));
            }
        }
        assert!(!PublicKey::read(&key("alipay_public")).unwrap().verifies(b"", "not base64!"));
    }

    #[test]
    fn a_signature_is_the_one_that_a_providers_own_program_makes() {
        let vectors: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/data/payment-vectors.json")).unwrap();
        let text = |name: &str| vectors["alipay_v3"][name].as_str().unwrap();
        let signature = PrivateKey::read(&key("app_private_pkcs8")).unwrap().sign(text("sign_content").as_bytes());
        assert_eq!(signature, text("sign"));
    }

    #[test]
    fn the_wrong_kind_of_key_is_called_by_its_name() {
        let private = |text: &str| PrivateKey::read(text).unwrap_err();
        let public = |text: &str| PublicKey::read(text).unwrap_err();
        assert_eq!(private(&key("app_public")), KeyFault::PublicKey);
        assert_eq!(private(&pem("PUBLIC KEY", &key("app_public"))), KeyFault::PublicKey);
        assert_eq!(private(&key("app_cert")), KeyFault::Certificate);
        assert_eq!(private("-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIE\n-----END"), KeyFault::Encrypted);
        assert_eq!(private("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nMIIE"), KeyFault::Encrypted);
        assert_eq!(public(&key("app_private_pkcs1")), KeyFault::PrivateKey);
        assert_eq!(public(&pem("PRIVATE KEY", &key("app_private_pkcs8"))), KeyFault::PrivateKey);
        for nonsense in ["", "hello", "====", "-----BEGIN", "AAAA"] {
            assert!(matches!(private(nonsense), KeyFault::NotAKey), "{nonsense}");
            assert!(matches!(public(nonsense), KeyFault::NotAKey), "{nonsense}");
        }
        assert_eq!(Certificate::read(&key("app_public")).unwrap_err(), KeyFault::NotACertificate);
    }

    #[test]
    fn a_certificate_tells_its_serial_both_ways_and_its_dates() {
        let certificate = Certificate::read(&key("app_cert")).unwrap();
        assert!(certificate.not_before < certificate.not_after);
        assert_eq!(certificate.key, PublicKey::read(&key("app_public")).unwrap());
        assert!(certificate.issuer.contains("CN="), "{}", certificate.issuer);
        let tail = |number: &str, base| number.chars().last().unwrap().to_digit(base).unwrap();
        assert_eq!(tail(&certificate.serial_decimal, 10) % 2, tail(&certificate.serial_hex, 16) % 2);
        assert_eq!(certificate.serial_hex.len(), 40, "{}", certificate.serial_hex);
        for (bytes, text) in [
            (&[0][..], "0"),
            (&[1, 0], "256"),
            (&[0, 255, 255], "65535"),
            (&[1, 0, 0, 0, 0, 0, 0, 0, 0], "18446744073709551616"),
        ] {
            assert_eq!(decimal(bytes), text);
        }
        let bundle = pem("CERTIFICATE", &key("app_cert")) + &pem("CERTIFICATE", &key("wxplatform_cert"));
        assert_eq!(Certificate::read_all(&bundle).len(), 2);
        assert!(Certificate::read_all(&"-----BEGIN CERTIFICATE-----AAAA".repeat(50_000)).is_empty());
    }

    #[test]
    fn nothing_opens_with_a_wrong_key_or_a_changed_byte() {
        for bytes in [&b""[..], b"short", &[0; 16], &[0; 33]] {
            assert_eq!(open_gcm(&[1; 32], &[0; 12], b"", bytes), None);
            assert_eq!(open_gcm(&[1; 31], &[0; 11], b"", bytes), None);
            assert_eq!(open_ecb(&[1; 31], bytes), None);
            assert_eq!(open_cbc(&[1; 15], bytes), None);
        }
        assert!(same("abc", "abc") && !same("abc", "abd") && !same("abc", "ab"));
    }
}
