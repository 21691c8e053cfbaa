//! Every rail adapter passes one suite: `suite.rs`. Each file beside it brings the stage of one adapter, and what only that one has.

mod alipay;
mod cash;
#[cfg(unix)]
mod exec;
mod sandbox;
pub mod suite;
mod wechat;
mod wechat_run;
mod zhima;
