//! Chinese for keys and certificates.

use super::Table;

/// Pairs.
pub const TABLE: Table = &[
    ("this is no key: neither PEM nor base64", "这不是密钥：既不是 PEM 也不是 base64"),
    ("this is a public key; the private one belongs here", "这是公钥；这里要放私钥"),
    ("this is a private key; a public one belongs here", "这是私钥；这里要放公钥"),
    ("this is a certificate; the private key belongs here", "这是证书；这里要放私钥"),
    ("this is no certificate", "这不是证书"),
    (
        "this key is locked with a password; unlock it and save it without one",
        "这把密钥有密码；请解开密码后另存一份不带密码的",
    ),
    ("this is no RSA key of 2048 bits or more", "这不是2048位以上的 RSA 密钥"),
];
