//! Every rail adapter passes one suite: `suite.rs`. Each file beside it brings the stage of one adapter, and what only that one has.

mod alipay;
mod sandbox;
pub mod suite;
mod wechat;
mod wechat_run;
