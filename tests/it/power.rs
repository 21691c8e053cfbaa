//! The power goes, and the disk had not everything: the tail of the write-ahead log is missing, torn, zeroed or rubbish, or the whole log
//! or its index is gone. What is left is always a state that once was, commit by commit; the rail's own book knows everything.
//!
//! While a run was at work nobody had remembered it: the next run derives the same order numbers, and the rail says what became of
//! them. Had the run ended, the witness outside the shop folder is ahead of the database: no money moves until `kibble adopt`.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use kibble::adapters::rail::sandbox::{FaultKind, FaultSpan};
use kibble::adapters::rail::{ChargeRequest, MandateRef};
use kibble::config::Config;
use kibble::domain::id::CustomerId;
use kibble::domain::money::Money;
use kibble::domain::rail::Answer;
use kibble::ops::check::check;
use kibble::ops::debit::{Options, run};
use kibble::ops::{Ctx, adopt, sandbox};

use crate::due::{ALIPAY, Row, announced, ask, ask_rail, charges, sent, shop_with, wallet};
use crate::log::{HEAD, Log};
use crate::november::run_here;
use crate::shop::Shop;
use crate::year::Dice;

const RAILS: &str =
    "--rail alipay=sandbox --rail wechat=sandbox:wechat-prenotify --rail later=sandbox:wechat-notify24h";
/// The laws that may notice that something is missing: the audit trail ends before what was remembered, and the sandbox's book knows
/// of payments that ours does not.
const AUDIT_WHOLE: usize = 10;
const BOOKS_AGREE: usize = 12;

/// A day of charges as the disk may have it: the database before, the log of the day, and what lies outside and lost nothing.
struct Day {
    shop: Shop,
    /// The database as it was before the log.
    before: Vec<u8>,
    log: Vec<u8>,
    rails: Vec<u8>,
    messages: Vec<u8>,
    witness: PathBuf,
    /// What was remembered before the day, after its first run, and at its end.
    remembered: Vec<Vec<u8>>,
    /// Last audit row before the day.
    audit: i64,
    /// How far the log was after the first run.
    first_run: usize,
}

/// What became of the log.
#[derive(Clone, Copy, Debug)]
enum Torn {
    /// It ends there.
    Cut(usize),
    /// Zeroes from there on.
    Zeroed(usize),
    /// Rubbish from there on.
    Rubbish(usize),
    /// Some bytes there are others, and what follows is as it was.
    Hole(usize),
    /// It is gone.
    Gone,
}

impl Torn {
    fn log(self, mut log: Vec<u8>, dice: &mut Dice) -> Option<Vec<u8>> {
        let mut rubbish = |bytes: &mut [u8]| bytes.iter_mut().for_each(|byte| *byte ^= 1 + (dice.roll(255)) as u8);
        match self {
            Torn::Cut(at) => log.truncate(at),
            Torn::Zeroed(at) => log[at..].fill(0),
            Torn::Rubbish(at) => rubbish(&mut log[at..]),
            Torn::Hole(at) => {
                let end = log.len().min(at + 64);
                rubbish(&mut log[at..end]);
            }
            Torn::Gone => return None,
        }
        Some(log)
    }
}

impl Day {
    /// Seven agreements on three rails, one customer without money, an answer that is lost, and a retry in the afternoon.
    fn new() -> Day {
        let row = |rail| Row { rail, ..ALIPAY };
        let rows = ["支付宝", "支付宝", "支付宝", "微信", "微信", "later", "later"].map(row);
        let mut shop = shop_with(RAILS, "window = 2", &rows);
        announced(&mut shop);
        let witness = Config::load(&shop.dir()).unwrap().witness_path();
        assert!(!shop.path("shop.db-wal").exists());
        let before = fs::read(shop.path("shop.db")).unwrap();
        let audit = last_audit(&shop);
        // As long as somebody reads what was before the day, its log is kept.
        let reader = rusqlite::Connection::open(shop.path("shop.db")).unwrap();
        reader.execute_batch("BEGIN").unwrap();
        reader.query_row("SELECT max(seq) FROM audit", [], |row| row.get::<_, i64>(0)).unwrap();
        let mut remembered = vec![fs::read(&witness).unwrap()];
        let length = || usize::try_from(fs::metadata(shop.path("shop.db-wal")).unwrap().len()).unwrap();
        let morning = Ctx::open(&shop.dir(), Some("2026-11-05T09:00")).unwrap();
        sandbox::fund(&morning, CustomerId::new(2), Money::ZERO).unwrap();
        sandbox::set_fault(&morning, "wechat", FaultKind::LoseAnswer, FaultSpan::Times(1), None).unwrap();
        run_here(&morning);
        remembered.push(fs::read(&witness).unwrap());
        let first_run = length();
        sandbox::fund(&morning, CustomerId::new(2), Money::from_fen(1_000_000)).unwrap();
        drop(morning);
        run_here(&Ctx::open(&shop.dir(), Some("2026-11-05T17:00")).unwrap());
        remembered.push(fs::read(&witness).unwrap());
        let read = |name: &str| fs::read(shop.path(name)).unwrap();
        let (log, rails, messages) = (read("shop.db-wal"), read("sandbox.db"), read("messages.txt"));
        assert_eq!(read("shop.db"), before, "the day is in the log alone");
        drop(reader);
        Day { shop, before, log, rails, messages, witness, remembered, audit, first_run }
    }

    /// The machine comes back with this log, and with this memory of how far it had been.
    fn comes_back(&self, log: Option<&[u8]>, remembered: &[u8]) {
        for name in ["shop.db-wal", "shop.db-shm", "sandbox.db-wal", "sandbox.db-shm"] {
            drop(fs::remove_file(self.shop.path(name)));
        }
        self.shop.write("shop.db", &self.before);
        if let Some(log) = log {
            self.shop.write("shop.db-wal", log);
        }
        self.shop.write("sandbox.db", &self.rails);
        self.shop.write("messages.txt", &self.messages);
        fs::write(&self.witness, remembered).unwrap();
    }

    /// The shop at a time. This disk keeps its promises, and nobody cuts the power again, so nobody waits for it.
    fn ctx(&self, at: &str) -> Ctx {
        let ctx = Ctx::open(&self.shop.dir(), Some(at)).unwrap();
        ctx.db.wait_for_disk(false).unwrap();
        ctx
    }
}

fn last_audit(shop: &Shop) -> i64 {
    ask(shop, "SELECT max(seq) FROM audit").parse().unwrap()
}

/// The laws that are broken.
fn broken(ctx: &Ctx) -> BTreeSet<usize> {
    check(ctx).unwrap().laws.iter().filter(|law| !law.holds()).map(|law| law.number).collect()
}

/// How often each mandate was debited, by the rails' own book.
fn collected(shop: &Shop) -> String {
    ask_rail(shop, "SELECT contract_no, count(*), SUM(amount) FROM orders WHERE state = 'paid' GROUP BY 1 ORDER BY 1")
}

/// Ways to lose the end of the log: at the end of every commit and of frames in between, and anywhere.
fn torn_ways(day: &Day, dice: &mut Dice) -> Vec<Torn> {
    let mut ways = vec![Torn::Gone, Torn::Cut(0), Torn::Cut(HEAD - 1), Torn::Zeroed(0), Torn::Cut(day.log.len())];
    let frames = Log::read(&day.log).frames;
    ways.extend(frames.iter().filter(|(_, commits)| *commits).map(|(end, _)| Torn::Cut(*end)));
    for _ in 0..3 {
        let (end, _) = frames[usize::try_from(dice.roll(frames.len() as u64)).unwrap()];
        let anywhere = usize::try_from(dice.roll(day.log.len() as u64)).unwrap();
        let at = usize::try_from(dice.roll(day.log.len() as u64 - 64)).unwrap();
        ways.extend([Torn::Cut(anywhere), Torn::Zeroed(at), Torn::Rubbish(anywhere), Torn::Hole(at)]);
        ways.extend([Torn::Zeroed(end), Torn::Cut(end - 1)]);
    }
    ways
}

#[test]
fn what_a_power_cut_leaves_is_a_state_that_was_and_nothing_is_collected_twice() {
    let day = Day::new();
    let log = Log::read(&day.log);
    let commits = log.commits_in(day.log.len());
    assert!(commits > 15 && log.commits_in(day.first_run) < commits, "{commits} commits");
    // Where nothing was lost, this is what the next day brings.
    day.comes_back(Some(&day.log), &day.remembered[2]);
    run_here(&day.ctx("2026-11-06T10:00"));
    assert_eq!(ask(&day.shop, "SELECT count(*) FROM charge WHERE state = 'paid'"), "7");
    let expected = collected(&day.shop);

    let mut dice = Dice(20_261_105);
    let (mut behind, mut noticed) = (0, 0);
    let ways = torn_ways(&day, &mut dice);
    for (place, way) in ways.into_iter().enumerate() {
        let torn = way.log(day.log.clone(), &mut dice);
        // Zeroes may stand where zeroes stood.
        let sound = torn.iter().flatten().zip(&day.log).take_while(|(now, before)| now == before).count();
        let left = log.commits_in(sound);
        // How far anybody can have remembered: as far as commits had come, or further than the disk now knows.
        let all = matches!(way, Torn::Cut(_) | Torn::Gone);
        for (runs, remembered) in day.remembered.iter().enumerate().filter(|it| all || it.0 == place % 3) {
            let told = format!("{way:?}, {left} of {commits} commits left, remembered {runs} runs");
            day.comes_back(torn.as_deref(), remembered);
            let ctx = day.ctx("2026-11-05T17:30");
            let audit = last_audit(&day.shop);
            assert_eq!(audit, day.audit + i64::try_from(left).unwrap(), "{told}: not the state of that commit");
            let is_behind = left < log.commits_in([0, day.first_run, day.log.len()][runs]);
            let mut laws = broken(&ctx);
            noticed += u32::from(laws.remove(&BOOKS_AGREE));
            assert_eq!(laws, BTreeSet::from_iter(is_behind.then_some(AUDIT_WHOLE)), "{told}");
            if is_behind {
                behind += 1;
                refuses_until_adopted(&day, &ctx, &told);
            }
            drop(ctx);
            for at in ["2026-11-05T17:40", "2026-11-06T10:00", "2026-11-06T18:00"] {
                run_here(&day.ctx(at));
            }
            assert_eq!(collected(&day.shop), expected, "{told}");
            let ctx = day.ctx("2026-11-06T18:00");
            assert_eq!(broken(&ctx), BTreeSet::new(), "{told}");
            let paid = "SELECT count(*), count(DISTINCT agreement_id) FROM charge WHERE state = 'paid'";
            assert_eq!(ask(&day.shop, paid), "7|7", "{told}");
        }
    }
    assert!(behind > 50 && noticed > 50, "refused {behind} times, seen by check {noticed} times");
}

/// The database is older than what was remembered: no money moves, and nothing changes, until it is adopted.
#[track_caller]
fn refuses_until_adopted(day: &Day, ctx: &Ctx, told: &str) {
    let (audit, orders) = (last_audit(&day.shop), ask_rail(&day.shop, "SELECT order_no, state FROM orders"));
    let refusal = run(ctx, &Options::default()).unwrap_err().to_string();
    assert!(refusal.contains("no money moves"), "{told}: {refusal}");
    assert_eq!(last_audit(&day.shop), audit, "{told}");
    assert_eq!(ask_rail(&day.shop, "SELECT order_no, state FROM orders"), orders, "{told}");
    adopt::adopt(ctx, adopt::look(ctx).unwrap(), None, ctx.now()).unwrap_or_else(|error| panic!("{told}: {error:#}"));
}

#[test]
fn without_its_index_the_log_is_read_all_the_same() {
    let day = Day::new();
    day.comes_back(Some(&day.log), &day.remembered[2]);
    // An index of another time beside it.
    day.shop.write("shop.db-shm", vec![7; 32_768]);
    let ctx = day.ctx("2026-11-05T17:30");
    assert_eq!(broken(&ctx), BTreeSet::new());
    assert_eq!(
        last_audit(&day.shop),
        day.audit + i64::try_from(Log::read(&day.log).commits_in(day.log.len())).unwrap()
    );
}

#[test]
fn a_number_that_a_lost_state_debited_is_no_link_that_is_given_up() {
    let mut shop = shop_with(RAILS, "", &[ALIPAY]);
    announced(&mut shop);
    let ctx = Ctx::open(&shop.dir(), Some("2026-11-05T09:00")).unwrap();
    // What was lost had tried twice, and the second time there was money.
    let number = ask_rail(&shop, "SELECT contract_no FROM contract").replacen("KM", "KB", 1);
    let order_no = format!("{}010002", number.strip_suffix("0001").unwrap());
    let mandate = MandateRef { contract_no: ask_rail(&shop, "SELECT contract_no FROM contract"), provider_no: None };
    let (amount, due) = (Money::from_fen(19_900), "2026-11-05".parse().unwrap());
    let request =
        ChargeRequest { order_no: order_no.clone(), mandate, amount, subject: "团子宠物 1/12".into(), due };
    assert_eq!(ctx.rails["alipay"].charge(&request).answer, Answer::Paid);
    sandbox::fund(&ctx, CustomerId::new(1), Money::ZERO).unwrap();
    run_here(&ctx);
    assert_eq!(charges(&shop), "a-1/1 1 debit alipay declined\na-1/1 2 link alipay paid");
    assert_eq!(ask(&shop, "SELECT order_no FROM charge WHERE attempt = 2"), order_no);
    assert_eq!((wallet(&shop, 1), sent(&shop, "debit_failed"), sent(&shop, "debit_success")), (19_900, 0, 1));
    assert_eq!(broken(&ctx), BTreeSet::new());
}
