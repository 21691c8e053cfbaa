//! Chinese for calls to providers.

use super::Table;

/// Pairs.
pub const TABLE: Table = &[
    ("http.proxy: this is not an address like http://host:port", "http.proxy：这不是 http://host:port 这样的地址"),
    ("{url} is not an address", "{url} 不是网址"),
    ("{url}: only https:// may be used", "{url}：只能用 https://"),
    ("a header of a call to {host} cannot be sent", "发往 {host} 的请求头无法发送"),
    ("http.ca_file: {file} cannot be read", "http.ca_file：{file} 读不了"),
    ("http.ca_file: {file} holds no certificate", "http.ca_file：{file} 里没有证书"),
    ("the client certificate or its key is not PEM", "客户端证书或它的私钥不是 PEM 格式"),
    ("{host} cannot be reached", "连不上 {host}"),
    ("the address {host} is not known", "找不到 {host} 这个地址"),
    ("{host} cannot be reached in time", "连接 {host} 超时"),
    (
        "the proxy did not lead to {host}; see http.proxy in shop.toml",
        "代理没有连到 {host}；请看 shop.toml 里的 http.proxy",
    ),
    ("the connection to {host} was lost", "与 {host} 的连接断了"),
    ("no secure connection to {host}", "与 {host} 建立不了安全连接"),
    (
        "the call to {host} cannot be made; check the address and http.proxy",
        "无法向 {host} 发起请求；请核对地址和 http.proxy",
    ),
    ("no answer from {host} in time", "{host} 没有及时应答"),
    ("the answer of {host} is too large", "{host} 的应答太大"),
    ("the answer of {host} cannot be understood", "看不懂 {host} 的应答"),
    (
        "the certificate of {host} has expired, or this machine's clock is wrong",
        "{host} 的证书已过期，或者本机时钟不准",
    ),
    ("the certificate of {host} is not valid yet: check this machine's clock", "{host} 的证书尚未生效：请核对本机时钟"),
    ("the certificate shown by {host} is made out to somebody else", "{host} 出示的证书不是发给它的"),
    (
        "the certificate of {host} is not trusted; behind an intercepting proxy name its root in http.ca_file",
        "{host} 的证书不可信；如果经过会解密的代理，请在 http.ca_file 写明它的根证书",
    ),
    ("{host} refused the secure connection", "{host} 拒绝了安全连接"),
    ("the secure connection to {host} broke", "与 {host} 的安全连接中断"),
];
