//! The copies that futures are run on: one base in a temporary folder, made once, and a fresh copy of it for each future. Everything in the
//! folder vanishes with it. The data key is never written there.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use chrono::Duration;
use tempfile::TempDir;

use crate::adapters::notify::nowhere::Nowhere;
use crate::adapters::rail::sandbox::book::Book;
use crate::adapters::rail::sandbox::rows::{Contract, ContractState, Order, OrderState};
use crate::clock::Clock;
use crate::config::{Config, KEY_LEN, SANDBOX_DB, SHOP_DB};
use crate::db::project::{AtRail, OrderAtRail};
use crate::db::seal::Keyring;
use crate::db::{self, Conn, Db};
use crate::domain::charge::{ChargeKind, ChargeState};
use crate::domain::date::At;
use crate::domain::id::MandateId;
use crate::domain::mandate::MandateStatus;
use crate::domain::money::Money;
use crate::domain::op::Op;
use crate::ops::{Ctx, hand};
use crate::t;

/// Stands in the numbers of a copy whose database was restored; no rail outside ever hears them.
const CODE: &str = "FORECAST";
/// Days for which a link of unknown end can be paid.
const LINK_DAYS: i64 = 15;

/// The temporary folder with the base.
pub struct Copy {
    folder: TempDir,
    key: [u8; KEY_LEN],
    /// True when the database was restored and not adopted.
    pub restored: bool,
}

impl Copy {
    /// Copies the shop's database. Nothing of the shop is touched.
    ///
    /// # Errors
    /// When key or database cannot be read, or there is no room for the copy.
    pub fn make(config: &Config) -> Result<Copy> {
        let key = config.key()?;
        let folder = tempfile::tempdir().context(t!("a temporary folder for the copy"))?;
        let mut copy = Copy { folder, key, restored: false };
        db::backup::copy_untouched(&config.db_path(), &copy.base(SHOP_DB))?;
        let base = copy.open_base()?;
        let identity = db::shop::identity(base.read())?;
        if let Some(at) = identity.restored_at {
            // Money may not move on a restored database. On this copy none does.
            copy.restored = true;
            base.write(at, |tx| {
                let copy_no = db::shop::adopt(tx, CODE, &BTreeMap::new())?;
                let code = CODE.to_owned();
                Ok(((), Op::ShopAdopted { copy_no, code, found: Vec::new(), messages: 0 }))
            })?;
        }
        Ok(copy)
    }

    /// The base, for reading.
    ///
    /// # Errors
    /// When it is no database of this key's.
    pub fn open_base(&self) -> Result<Db> {
        Db::open(&self.base(SHOP_DB), Keyring::new(&self.key), hand())
    }

    /// Tells the pretended provider of the base what the real ones know: mandates, open orders, and paid ones whose money may go back.
    ///
    /// # Errors
    /// When the base cannot be read, or the provider's book not written.
    pub fn fill_book(&self, conn: &Conn, config: &Config, at: At) -> Result<()> {
        let contracts: Vec<Contract> =
            db::project::mandates_at_rails(conn)?.into_iter().map(|it| contract(config, it)).collect();
        let orders: Vec<Order> = db::project::orders_at_rails(conn)?.into_iter().map(|it| order(it, at)).collect();
        Book::open(&self.base(SANDBOX_DB))?.take_over(&contracts, &orders)
    }

    /// The shop on a fresh copy of the base, standing at `at`, with a sandbox of this temper. Future `number` has a folder of its own.
    ///
    /// # Errors
    /// When the copy cannot be made or opened.
    pub fn shop(&self, config: &Config, number: u32, at: At, seed: u64, lost_bps: u64) -> Result<Ctx> {
        let folder = self.future(number);
        fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        for name in [SHOP_DB, SANDBOX_DB] {
            fs::copy(self.base(name), folder.join(name)).with_context(|| folder.display().to_string())?;
        }
        let mut config = config.detached(&folder);
        config.settings.sandbox.seed = seed;
        config.settings.sandbox.lose_answer_bps = u32::try_from(lost_bps)?;
        let mut ctx = Ctx::wire_with(config, Keyring::new(&self.key), Clock::fixed(at))?;
        for name in ctx.config.channels.keys() {
            ctx.notify.put(Box::new(Nowhere::new(name)));
        }
        // Whoever loses power now looks ahead again.
        ctx.db.wait_for_disk(false)?;
        Ok(ctx)
    }

    /// Removes the copy of a future, so that the disk holds no more of them than are at work.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove(&self, number: u32) -> Result<()> {
        let folder = self.future(number);
        fs::remove_dir_all(&folder).with_context(|| folder.display().to_string())
    }

    fn base(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn future(&self, number: u32) -> PathBuf {
        self.folder.path().join(number.to_string())
    }
}

/// Who pays under a mandate at the pretended provider: each mandate has a purse of its own, so that one term's luck is not another's.
pub fn payer(mandate: MandateId) -> String {
    mandate.to_string()
}

fn contract(config: &Config, it: AtRail) -> Contract {
    // A rail that was taken out of shop.toml has no rules any more.
    let registered = config.rails.get(&it.rail).map_or(it.next_due, |rail| rail.profile.registered(it.next_due));
    Contract {
        payer: payer(it.mandate),
        rail: it.rail,
        contract_no: it.contract_no,
        provider_no: it.provider_no,
        single_cap: it.amount,
        count: it.paid + it.terms,
        paid_count: it.paid,
        first_date: registered,
        next_date: registered,
        valid_until: it.valid_until,
        state: match it.state {
            MandateStatus::Waiting => ContractState::Waiting,
            MandateStatus::Live | MandateStatus::Closing => ContractState::Live,
            MandateStatus::Closed | MandateStatus::Revoked | MandateStatus::Expired => ContractState::Ended,
        },
        signed_at: it.signed_at,
        ended_at: None,
        ended_by: None,
    }
}

/// An order of ours at the pretended provider. A debit without a result is decided when its time comes, as one made today would be.
fn order(it: OrderAtRail, at: At) -> Order {
    let (state, decide_at) = match (it.state, it.kind) {
        (ChargeState::Paid, _) => (OrderState::Paid, None),
        (_, ChargeKind::Link) => {
            (OrderState::LinkOpen, Some(it.pending_until.unwrap_or(it.noted_at + Duration::days(LINK_DAYS))))
        }
        _ => (OrderState::Pending, Some(it.pending_until.unwrap_or(at))),
    };
    let (payer, contract_no) = it.mandate.map(|(id, contract_no)| (payer(id), contract_no)).unzip();
    Order {
        rail: it.rail,
        order_no: it.order_no,
        contract_no,
        payer,
        amount: it.amount,
        subject: String::new(),
        cycle: None,
        state,
        reason: None,
        code: String::new(),
        text: String::new(),
        trade_no: it.trade_no,
        created_at: it.noted_at,
        decide_at,
        paid_at: it.paid_at.filter(|_| state == OrderState::Paid),
        paid_from: None,
        fee: Money::ZERO,
        refunded: it.refunded,
    }
}
