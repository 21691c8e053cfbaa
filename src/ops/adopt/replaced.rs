//! What the replaced databases tell. `restore` moves the one that lay there into `backups/`, and it may have gone on from the very
//! state that was put back: no payment rail knows of its cash, its orders and its signatures, but it does. Nothing in it is changed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::db::audit::AuditRow;
use crate::db::seal::Keyring;
use crate::db::{self, Conn, Db};
use crate::domain::agreement::COMPLETED;
use crate::domain::charge::{Charge, Copies, InstallmentState};
use crate::domain::date::At;
use crate::domain::id::InstallmentId;
use crate::ops::{Ctx, agreement, backup, hand, statement, witness};
use crate::t;

/// What people do by hand and no payment rail can tell of.
const BY_HAND: &[&str] = &[
    "agreement_signed",
    "agreement_changed",
    "mandate_asked",
    "installment_postponed",
    "paid_at_counter",
    "refund_noted",
    "terminated",
    "statement_confirmed",
    "order_placed",
    "order_changed",
    "orders_moved",
    "corrected",
    "points_changed",
    "flag_changed",
    "recon_decided",
    "customer_added",
    "contact_changed",
    "pet_added",
    "pet_changed",
    "plan_saved",
    "plan_withdrawn",
    "catalog_imported",
    "item_changed",
    "book_imported",
    "credit_decided",
];

/// What the databases that went on from this one's state did, and this one does not know.
#[derive(Default)]
pub struct Replaced {
    /// Payments at the counter for terms that are open here.
    pub(super) cash: BTreeMap<InstallmentId, Charge>,
    /// What was done by hand, oldest first.
    pub(super) by_hand: Vec<AuditRow>,
    /// The copies that they knew.
    pub(super) copies: Copies,
    /// From when on nobody can tell what was done by hand, where no such database can be read.
    pub unseen_since: Option<At>,
}

impl Replaced {
    /// The same database may have been put back and replaced more than once.
    fn add(&mut self, other: Replaced) {
        for row in other.by_hand {
            if self.by_hand.iter().all(|known| known.hash != row.hash) {
                self.by_hand.push(row);
            }
        }
        for (code, copy) in other.copies {
            self.copies.entry(code).or_insert(copy);
        }
        for (id, charge) in other.cash {
            self.cash.entry(id).or_insert(charge);
        }
    }
}

/// Reads every replaced database of this shop that went on from this one's state.
///
/// # Errors
/// When this database cannot be read, or nothing can be written beside the replaced ones. One of those that cannot be read is passed
/// over: a damaged database is why people restore.
pub fn look(ctx: &Ctx) -> Result<Replaced> {
    let mut found = Replaced::default();
    if witness::inspect(ctx).is_ok_and(|verdict| verdict.may_move_money()) {
        // Nothing was lost.
        return Ok(found);
    }
    let identity = db::shop::identity(ctx.db.read())?;
    let folder = ctx.config.backups_path();
    let files = backup::replaced(&folder).with_context(|| folder.display().to_string())?;
    let mut is_seen = false;
    if !files.is_empty() {
        let copies = tempfile::Builder::new().prefix(".adopt-").tempdir_in(&folder);
        let copies = copies.with_context(|| t!("cannot write {path}", path = folder.display()))?;
        for (number, file) in files.iter().enumerate() {
            let told = open(ctx, file, copies.path().join(number.to_string()))
                .and_then(|theirs| tell(ctx.db.read(), theirs.read(), &identity.install_code));
            let Ok(Some((told, is_whole))) = told else { continue };
            is_seen |= is_whole;
            found.add(told);
        }
    }
    if !is_seen {
        let known = db::audit::last_before_restore(ctx.db.read())?;
        found.unseen_since = Some(known.unwrap_or(identity.created_at));
    }
    Ok(found)
}

/// Opens a copy of the file, which is brought up to date where the file is older than this program.
fn open(ctx: &Ctx, file: &Path, copy: PathBuf) -> Result<Db> {
    db::backup::copy_untouched(file, &copy)?;
    Db::open(&copy, Keyring::new(&ctx.config.key()?), hand())
}

/// What `theirs` did after the two parted, and whether it is the shop's own database as it stood; `None` for one that did nothing more, or
/// of another shop.
fn tell(ours: &Conn, theirs: &Conn, install_code: &str) -> Result<Option<(Replaced, bool)>> {
    let identity = db::shop::identity(theirs)?;
    if identity.install_code != install_code {
        return Ok(None);
    }
    let parted = db::audit::last_common(ours, theirs)?;
    // What an earlier adoption found is known here.
    if db::audit::is_adopted_after(ours, parted)? || db::audit::head(theirs)?.0 == parted {
        return Ok(None);
    }
    let mut told = Replaced { copies: db::shop::copies(theirs)?, ..Replaced::default() };
    told.by_hand = db::audit::after(theirs, parted, BY_HAND)?.into_iter().filter(|row| !is_own_doing(row)).collect();
    for charge in db::charge::paid_at_counter(theirs)? {
        let id = charge.installment;
        let is_open = db::installment::get(ours, id)?.is_none_or(|it| it.state == InstallmentState::Open);
        if is_open && is_same_agreement(ours, theirs, id)? {
            told.cash.insert(id, charge);
        }
    }
    // One that was restored itself and never adopted moved no money: there is another that did.
    Ok(Some((told, identity.restored_at.is_none())))
}

/// Two databases that parted give the same number to different agreements.
fn is_same_agreement(ours: &Conn, theirs: &Conn, id: InstallmentId) -> Result<bool> {
    let (ours, theirs) = (db::agreement::get(ours, id.agreement)?, db::agreement::get(theirs, id.agreement)?);
    Ok(ours.zip(theirs).is_some_and(|(ours, theirs)| ours.no == theirs.no && ours.signed_at == theirs.signed_at))
}

/// What a debit run did by itself; the next one does it again.
fn is_own_doing(row: &AuditRow) -> bool {
    let detail: serde_json::Value = serde_json::from_str(&row.detail).unwrap_or_default();
    match row.op.as_str() {
        "agreement_changed" => [COMPLETED, agreement::PAUSE_OVER].iter().any(|it| detail["reason"] == **it),
        "statement_confirmed" => detail["by"] == statement::BY_DEADLINE,
        _ => false,
    }
}
