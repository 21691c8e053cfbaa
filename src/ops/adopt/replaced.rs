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
pub(super) struct Replaced {
    /// Payments at the counter for terms that are open here.
    pub cash: BTreeMap<InstallmentId, Charge>,
    /// What was done by hand, oldest first.
    pub by_hand: Vec<AuditRow>,
    /// The copies that they knew.
    pub copies: Copies,
    /// From when on nobody can tell what was done by hand, where no such database can be read.
    pub unseen_since: Option<At>,
}

/// Reads every replaced database of this shop that went on from this one's state.
///
/// # Errors
/// When this database cannot be read, or nothing can be written beside the replaced ones. One of those that cannot be read is passed
/// over: a damaged database is why people restore.
pub(super) fn look(ctx: &Ctx) -> Result<Replaced> {
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
            let Ok(theirs) = open(ctx, file, copies.path().join(number.to_string())) else { continue };
            if db::shop::identity(theirs.read())?.install_code == identity.install_code {
                is_seen |= take(ctx.db.read(), theirs.read(), &mut found)?;
            }
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

/// Takes what `theirs` did after the two parted. Returns whether it went on from there as the shop's own database.
fn take(ours: &Conn, theirs: &Conn, found: &mut Replaced) -> Result<bool> {
    let parted = db::audit::last_common(ours, theirs)?;
    // What an earlier adoption found is known here, and a database that did nothing more has nothing to tell.
    if db::audit::is_adopted_after(ours, parted)? || db::audit::head(theirs)?.0 == parted {
        return Ok(false);
    }
    for row in db::audit::after(theirs, parted, BY_HAND)? {
        // The same database may have been put back and replaced more than once.
        if !is_own_doing(&row) && found.by_hand.iter().all(|known| known.hash != row.hash) {
            found.by_hand.push(row);
        }
    }
    for (code, copy) in db::shop::copies(theirs)? {
        found.copies.entry(code).or_insert(copy);
    }
    for charge in db::charge::paid_at_counter(theirs)? {
        let id = charge.installment;
        let is_open = db::installment::get(ours, id)?.is_none_or(|it| it.state == InstallmentState::Open);
        if is_open && is_same_agreement(ours, theirs, id)? {
            found.cash.entry(id).or_insert(charge);
        }
    }
    Ok(db::shop::identity(theirs)?.restored_at.is_none())
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
