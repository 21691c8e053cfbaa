//! A real `kibble debit run`, on the machine's own clock, against providers in another process, killed with SIGKILL at moments nobody
//! chose: after some microseconds, between two bytes of a request or an answer, and while a commit is being written. After every kill
//! `kibble check` must hold, and the provider's book and the shop's must agree: what is paid there is known here at least as open,
//! what is paid here is paid there, and no term is paid twice. When the work runs out, a run that nobody kills settles the rest.
//!
//! The short form is a plain test. The long form: `cargo test --test it kill -- --ignored --nocapture`, seeded by `KIBBLE_KILL_SEED`,
//! with as many kills as `KIBBLE_KILLS` says. A seed gives the same moments; where in a run a moment falls is up to the machine.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use chrono::{NaiveDate, TimeDelta};
use kibble::adapters::rail::sandbox::Book;
use kibble::clock::Clock;
use kibble::config::Config;
use kibble::domain::date::day_of;

use crate::due::{ask, id_number};
use crate::line::{Cut, Lines, Way};
use crate::log::Log;
use crate::process::{Standing, this_program};
use crate::provider::Server;
use crate::provider::alipay::Alipay;
use crate::provider::wechat::WechatPay;
use crate::real::connect;
use crate::shop::Shop;
use crate::year::Dice;

/// The rules of both rails here: any day, any hour, any sum, so that neither the hour of the day nor midnight changes what is due.
/// Who was killed a moment ago must ask about what was in the air, so "not found" is believed at once: what it leads to is the same
/// number once more.
const RULES: &str = r#"
window_days_before = 3660
window_days_after = 3660
hours = ["00:00", "24:00"]
notice = "none"
not_found_after_seconds = 0
query_days = 3650
day_cap = "100000.00"
month_cap = "100000.00"
calls_per_second = 0
"#;
/// Charges in one commit: few, so that there are many commits.
const WINDOW: u32 = 8;

// ---- The providers' process -------------------------------------------------------------------------------------------------

/// Not a test: both providers in a process of their own, in front of one book, on the machine's clock. The shop's settings say which
/// rules they keep.
#[test]
#[ignore = "the tests below start it"]
#[allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a process of its own talks to the one that started it"
)]
pub fn providers_process() {
    let Some(book) = std::env::var_os("KIBBLE_TEST_BOOK").map(PathBuf::from) else { return };
    let shop = PathBuf::from(std::env::var_os("KIBBLE_TEST_SHOP").unwrap());
    let rails = Config::load(&shop).unwrap().rails;
    let rules = |rail: &str| rails[rail].profile.clone();
    let book = Arc::new(Book::open(&book).unwrap());
    let alipay = Server::start(Arc::new(Alipay::new("alipay", rules("alipay"), Clock::System, book.clone())));
    let wechat = Server::start(Arc::new(WechatPay::new("wechat", rules("wechat"), Clock::System, book)));
    println!("ok {} {}", alipay.url(), wechat.url());
    // Until whoever started it is gone.
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink()).unwrap();
}

// ---- The shop ---------------------------------------------------------------------------------------------------------------

/// A shop with much to charge, its providers in another process, and the line between.
pub struct Scene {
    pub shop: Shop,
    pub lines: Lines,
    /// The providers' book.
    pub book: PathBuf,
    /// Terms that are due and announced.
    pub due: u32,
    /// How many of them an agreement has. Each run charges one of them.
    overdue: u32,
    /// Everything due by then is in [`Scene::due`].
    until: NaiveDate,
    /// Whoever looks at a failure wants to know.
    pub story: String,
    _providers: Standing,
}

impl Scene {
    /// A shop with so many agreements, each with so many overdue terms (22 at most), of all of which customers were told four days ago.
    pub fn new(agreements: u32, overdue: u32) -> Scene {
        let mut shop = Shop::opened();
        let as_opened = shop.read("shop.toml");
        let until = prepare(&mut shop, agreements, overdue);
        let (rehearsed, book) = (shop.path("sandbox.db"), shop.dir().with_file_name("providers.db"));
        fs::rename(rehearsed, &book).unwrap();
        let mut command = this_program("kill::providers_process");
        command.env("KIBBLE_TEST_BOOK", &book).env("KIBBLE_TEST_SHOP", shop.dir());
        let (providers, urls) = Standing::start(command);
        let lines = Lines::default();
        let (alipay, wechat) = urls.split_once(' ').unwrap();
        shop.write("shop.toml", as_opened);
        connect(&shop, "", &lines.to(alipay), &lines.to(wechat));
        settle_rules(&shop);
        shop.in_real_time();
        let due = number(&shop, &format!("SELECT count(*) FROM installment WHERE state = 'open' AND due <= '{until}'"));
        assert_eq!(due, agreements * overdue, "every term that is due is told and open");
        Scene { shop, lines, book, due, overdue, until, story: String::new(), _providers: providers }
    }

    /// Terms of [`Scene::due`] that are still to be collected.
    pub fn left(&self) -> u32 {
        let until = self.until;
        number(&self.shop, &format!("SELECT count(*) FROM installment WHERE state = 'open' AND due <= '{until}'"))
    }

    /// A debit run of the real program.
    pub fn run(&self) -> Command {
        let mut command = self.shop.command("debit run");
        let said = File::create(self.shop.dir().with_file_name("said")).unwrap();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(said);
        command
    }

    /// A run that ended by itself did its work, whether or not it needs a person.
    #[track_caller]
    pub fn ended(&self, status: ExitStatus) {
        let said = || fs::read_to_string(self.shop.dir().with_file_name("said")).unwrap();
        assert!(matches!(status.code(), Some(0 | 3)), "{status}: {}", said());
    }

    /// How many runs have begun here.
    pub fn runs(&self) -> u32 {
        number(&self.shop, "SELECT count(*) FROM run")
    }

    /// kibble's own word and the two books, order by order. Gives how many orders are paid there and still open here.
    #[track_caller]
    pub fn holds(&self) -> u32 {
        self.shop.run("check").ok("every law holds");
        let (theirs, ours) = (self.theirs(), self.ours());
        let mut paid: BTreeSet<&str> = BTreeSet::new();
        for (order, money) in &theirs {
            let Some(charge) = ours.get(order) else {
                panic!("{order} is paid there, and nobody here has heard of it")
            };
            assert!(matches!(&*charge.state, "paid" | "noted" | "pending" | "unknown"), "{order} is {}", charge.state);
            assert_eq!(&charge.money, money, "{order}");
            assert!(paid.insert(&charge.term), "{} is paid twice there", charge.term);
        }
        for (order, charge) in ours.iter().filter(|it| it.1.state == "paid" && it.1.rail != "cash") {
            assert_eq!(theirs.get(order), Some(&charge.money), "{order} is paid here and not there");
        }
        let twice = "SELECT agreement_id, term FROM charge WHERE state = 'paid' GROUP BY 1, 2 HAVING count(*) > 1";
        assert_eq!(ask(&self.shop, twice), "", "paid twice here");
        u32::try_from(theirs.keys().filter(|order| ours[*order].state != "paid").count()).unwrap()
    }

    /// Runs that nobody kills, until nothing that was due is left and nothing is open.
    #[track_caller]
    pub fn finish(&mut self) {
        for _ in 0..=self.overdue + 3 {
            let status = self.run().spawn().unwrap().wait().unwrap();
            self.ended(status);
            if self.left() == 0 {
                break;
            }
        }
        assert_eq!(self.left(), 0, "still to be collected");
        let open = "SELECT order_no || ' ' || state FROM charge WHERE state IN ('noted', 'pending', 'unknown')";
        assert_eq!(ask(&self.shop, open), "", "something is unknown");
        assert_eq!(self.holds(), 0, "paid there and not booked here");
        for (what, sql) in [
            (
                "a wallet was not credited once",
                "SELECT c.id FROM charge c WHERE c.state = 'paid' AND 1 <> (SELECT count(*) FROM entry e
                   JOIN posting p ON p.entry_id = e.id WHERE e.kind = 'charge' AND e.ref = 'k-' || c.id
                   AND p.account = 'wallet:principal' AND p.amount = -c.amount)",
            ),
            (
                "credited without a charge",
                "SELECT ref FROM entry e WHERE kind = 'charge' AND NOT EXISTS
                   (SELECT 1 FROM charge c WHERE 'k-' || c.id = e.ref AND c.state = 'paid')",
            ),
            ("in doubt, or not told", "SELECT id, state FROM message WHERE state NOT IN ('sent', 'dropped')"),
        ] {
            assert_eq!(ask(&self.shop, sql), "", "{what}");
        }
        self.told_once();
    }

    /// The same where nobody else touched the shop: every term that was due is collected by a debit.
    #[track_caller]
    pub fn settle(&mut self) {
        self.finish();
        assert_eq!(u32::try_from(self.theirs().len()).unwrap(), self.due, "each due term was collected once");
    }

    /// Every message stands in the channel's file once. Half a line, where somebody was killed while writing, was told to nobody.
    #[track_caller]
    fn told_once(&self) {
        let mut told: BTreeMap<String, u32> = BTreeMap::new();
        for line in self.shop.read("messages.txt").lines().filter(|line| line.starts_with("n-")) {
            *told.entry(line.split('\t').next().unwrap().to_owned()).or_default() += 1;
        }
        let sent = ask(&self.shop, "SELECT 'n-' || id FROM message WHERE state = 'sent'");
        let wrong: Vec<&str> = sent.lines().filter(|id| told.get(*id) != Some(&1)).collect();
        assert!(wrong.is_empty(), "not told exactly once: {wrong:?}");
    }

    /// Paid orders there: order number, and rail with amount.
    pub fn theirs(&self) -> BTreeMap<String, String> {
        let book = rusqlite::Connection::open(&self.book).unwrap();
        book.busy_timeout(Duration::from_secs(10)).unwrap();
        let sql = "SELECT order_no, rail || ' ' || amount FROM orders WHERE state = 'paid'";
        let mut query = book.prepare(sql).unwrap();
        query.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect()
    }

    fn ours(&self) -> BTreeMap<String, Ours> {
        let sql = "SELECT order_no, rail, amount, state, 'a-' || agreement_id || '/' || term FROM charge";
        let charge = |line: &str| {
            let [order, rail, amount, state, term] = line.split('|').collect::<Vec<_>>()[..] else { panic!("{line}") };
            let own = |text: &str| text.to_owned();
            let money = format!("{rail} {amount}");
            (own(order), Ours { rail: own(rail), money, state: own(state), term: own(term) })
        };
        ask(&self.shop, sql).lines().map(charge).collect()
    }
}

impl Drop for Scene {
    #[allow(clippy::print_stderr, reason = "whoever looks at a failed test needs the folder")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            let folder = self.shop.keep().to_owned();
            eprintln!("{}\nthe shop and its provider's book are kept in {}", self.story, folder.display());
        }
    }
}

/// A charge here.
struct Ours {
    rail: String,
    money: String,
    state: String,
    term: String,
}

fn number(shop: &Shop, sql: &str) -> u32 {
    ask(shop, sql).parse().unwrap()
}

/// Signed long ago and rehearsed in its sandbox: the book is taken over, everybody agrees, and four days ago everybody is told
/// of all terms that are overdue. Gives the last day by which everything due was told of.
fn prepare(shop: &mut Shop, agreements: u32, overdue: u32) -> NaiveDate {
    let today = day_of(Clock::System.now(), chrono_tz::Asia::Shanghai);
    // A term falls due every month from a month after signing; the last of the overdue ones some days before everybody is told.
    let told = today - TimeDelta::days(4);
    let last = told - TimeDelta::days(2);
    let signed = (0..overdue).fold(last, |day, _| day - chrono::Months::new(1)) - TimeDelta::days(1);
    let mut book =
        "姓名,手机号,身份证号,宠物名,种类,品种,套餐,月付金额,期数,签约日期,扣款日,扣款渠道,合同编号\n".to_owned();
    for place in 1..=agreements {
        let (id, rail) = (id_number(place), if place % 4 == 0 { "微信" } else { "支付宝" });
        book += &format!(
            "王小明,199000{place:05},{id},团子{place},猫,英短,猫粮月付199,199.00,24,{signed},{},{rail},HT{place}\n",
            chrono::Datelike::day(&signed).min(26)
        );
    }
    shop.write("book.csv", book);
    settle_rules(shop);
    shop.at(&format!("{signed}T08:00"));
    let answer = shop.run(&format!("agreement import book.csv --paid-until {signed} --json"));
    assert_eq!(answer.json()["accepted"], agreements, "{}", answer.full());
    shop.run("sandbox sign --all").exits(0);
    shop.at(&format!("{told}T08:00")).run("debit run").ok("announced");
    told
}

/// Everything may happen at every hour, and nothing is too much.
fn settle_rules(shop: &Shop) {
    let mut toml: toml::Table = shop.read("shop.toml").parse().unwrap();
    let set = |table: &mut toml::Table, name: &str, settings: &str| {
        let settings: toml::Table = settings.parse().unwrap();
        let table = table.entry(name).or_insert_with(|| toml::Table::new().into());
        table.as_table_mut().unwrap().extend(settings);
    };
    set(
        &mut toml,
        "debit",
        &format!(
            "hour = '00:00'\nwindow = {WINDOW}\nclock_leap_days = 3660\nbacklog_count = 1000000\nbacklog_amount = '10000000.00'"
        ),
    );
    set(&mut toml, "messages", "hours = ['00:00', '24:00']");
    let rails = toml["rail"].as_table_mut().unwrap();
    for name in ["alipay", "wechat"] {
        set(rails[name].as_table_mut().unwrap(), "rules", RULES);
    }
    if let Some(account) = rails["wechat"].get_mut("account") {
        // WeChat Pay decides within seconds; this one at once.
        account.as_table_mut().unwrap().insert("decision_pause_ms".into(), 1.into());
    }
    shop.write("shop.toml", toml::to_string(&toml).unwrap());
}

// ---- Kills ------------------------------------------------------------------------------------------------------------------

/// The moment of a kill.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// That long after the start.
    After(Duration),
    /// In the middle of a call.
    Bytes { call: u64, way: Way, bytes: usize },
    /// As soon as the write-ahead log has grown to that size.
    Log(u64),
}

impl Moment {
    /// Each kind as often. Within a kind early moments come as often as late ones, by orders of magnitude.
    fn roll(dice: &mut Dice) -> Moment {
        let kind = dice.roll(3);
        let mut below_a_power = |from: u64, to: u64| {
            let power = from + dice.roll(to - from + 1);
            dice.roll(1 << power)
        };
        match kind {
            0 => Moment::After(Duration::from_micros(below_a_power(14, 19))),
            1 => {
                let (call, bytes) = (below_a_power(2, 8), below_a_power(9, 11));
                let way = if dice.roll(2) == 0 { Way::Request } else { Way::Answer };
                Moment::Bytes { call, way, bytes: usize::try_from(bytes).unwrap() }
            }
            _ => Moment::Log(below_a_power(15, 20)),
        }
    }
}

/// Where kills landed. One kill may count in several places.
#[derive(Debug, Default)]
struct Landed {
    kills: u32,
    /// Runs that were over before their moment came.
    lived: u32,
    after_a_time: u32,
    in_a_request: u32,
    in_an_answer: u32,
    at_the_log: u32,
    /// Before the run had written that it began.
    unborn: u32,
    /// With charges noted by that very run whose answer was not on disk.
    in_the_air: u32,
    most_in_the_air: u32,
    /// With charges still open that an earlier run had left behind.
    while_recovering: u32,
    /// With money taken there that was not yet booked here.
    taken_and_not_booked: u32,
    /// With pages of a commit in the log, and not its end.
    inside_a_commit: u32,
    collected: u32,
    shops: u32,
}

/// Starts runs and kills them.
struct Killer {
    seed: u64,
    dice: Dice,
    landed: Landed,
}

impl Killer {
    fn new(seed: u64) -> Killer {
        // The dice never leave zero, and near seeds begin alike.
        Killer { seed, dice: Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1), landed: Landed::default() }
    }

    /// Kills until the shop has nearly nothing left to charge, or `kills` is reached; then lets it settle.
    fn haunt(&mut self, (agreements, overdue): (u32, u32), kills: u32) {
        let mut scene = Scene::new(agreements, overdue);
        self.landed.shops += 1;
        while self.landed.kills < kills && scene.left() > agreements {
            let moment = Moment::roll(&mut self.dice);
            scene.story = format!("seed {}, kill {}, at {moment:?}", self.seed, self.landed.kills + 1);
            let runs = scene.runs();
            if self.is_killed(&scene, moment) {
                // The log as it was left: whoever opens the database next takes it in.
                let log = fs::read(scene.shop.path("shop.db-wal")).unwrap_or_default();
                let found = scene.holds();
                self.count(&scene, moment, Log::read(&log).ends_inside_a_commit(), found, runs);
            } else {
                scene.holds();
                self.landed.lived += 1;
            }
        }
        scene.story = format!("seed {}, after {} kills, settling", self.seed, self.landed.kills);
        scene.settle();
        self.landed.collected += scene.due;
    }

    /// One run until it is killed; or until its end, which may come first.
    fn is_killed(&mut self, scene: &Scene, moment: Moment) -> bool {
        // Whoever looks last leaves no log behind, so the run begins a new one.
        assert!(!scene.shop.path("shop.db-wal").exists(), "somebody has the database open");
        let child = Arc::new(Mutex::new(None));
        {
            // Whoever cuts the line waits here until there is somebody to kill.
            let mut started = child.lock().unwrap();
            if let Moment::Bytes { call, way, bytes } = moment {
                let child = child.clone();
                let kill = move || child.lock().unwrap().as_mut().map(Child::kill).unwrap().unwrap();
                scene.lines.arm(Cut { call, way, bytes, then: Box::new(kill) });
            }
            *started = Some(scene.run().spawn().unwrap());
        }
        let started = Instant::now();
        let log = scene.shop.path("shop.db-wal");
        let status = loop {
            let mut child = child.lock().unwrap();
            let it: &mut Child = child.as_mut().expect("it was started above");
            if let Some(status) = it.try_wait().unwrap() {
                break status;
            }
            match moment {
                Moment::After(wait) if started.elapsed() >= wait => it.kill().unwrap(),
                Moment::Log(size) if fs::metadata(&log).is_ok_and(|it| it.len() > size) => it.kill().unwrap(),
                // Its time comes by itself; whoever waits in between takes nothing from the providers.
                Moment::Log(_) => std::thread::yield_now(),
                Moment::After(_) | Moment::Bytes { .. } => {
                    drop(child);
                    std::thread::sleep(Duration::from_micros(200));
                }
            }
        };
        scene.lines.disarm();
        if status.code().is_some() {
            scene.ended(status);
        }
        status.code().is_none()
    }

    fn count(&mut self, scene: &Scene, moment: Moment, inside: bool, not_booked: u32, runs_before: u32) {
        let landed = &mut self.landed;
        landed.kills += 1;
        match moment {
            Moment::After(_) => landed.after_a_time += 1,
            Moment::Bytes { way: Way::Request, .. } => landed.in_a_request += 1,
            Moment::Bytes { way: Way::Answer, .. } => landed.in_an_answer += 1,
            Moment::Log(_) => landed.at_the_log += 1,
        }
        landed.inside_a_commit += u32::from(inside);
        landed.taken_and_not_booked += u32::from(not_booked > 0);
        let runs = scene.runs();
        let open = |whose: &str| {
            let open = "SELECT count(*) FROM charge WHERE state IN ('noted', 'pending', 'unknown')";
            number(&scene.shop, &format!("{open} AND run_id {whose} {runs}"))
        };
        if runs == runs_before {
            landed.unborn += 1;
            return;
        }
        let in_the_air = open("=");
        landed.in_the_air += u32::from(in_the_air > 0);
        landed.most_in_the_air = landed.most_in_the_air.max(in_the_air);
        landed.while_recovering += u32::from(open("<") > 0);
    }
}

#[test]
fn a_run_that_is_killed_at_any_moment_charges_nobody_twice() {
    let mut killer = Killer::new(7);
    killer.haunt((24, 12), 30);
    let landed = &killer.landed;
    assert!(landed.kills == 30 && landed.in_the_air > 0, "{landed:?}");
}

/// The long form.
#[test]
#[ignore = "a quarter of an hour: cargo test --test it kill -- --ignored --nocapture"]
#[allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "seed and number of kills come from outside; its figures go there"
)]
fn two_thousand_kills_charge_nobody_twice() {
    let asked = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let seed = asked("KIBBLE_KILL_SEED").unwrap_or(1);
    let kills = u32::try_from(asked("KIBBLE_KILLS").unwrap_or(2_100)).unwrap();
    let started = Instant::now();
    // Two at once: a run mostly waits for the disk.
    std::thread::scope(|scope| {
        for own in [2 * seed, 2 * seed + 1] {
            scope.spawn(move || {
                let mut killer = Killer::new(own);
                while killer.landed.kills < kills.div_ceil(2) {
                    killer.haunt((60, 22), kills.div_ceil(2));
                    let (kills, seconds) = (killer.landed.kills, started.elapsed().as_secs());
                    eprintln!("seed {own}: {kills} kills after {seconds} s");
                }
                eprintln!("seed {own}: {:#?}", killer.landed);
                // Else it would show less than it says.
                let Landed { kills, in_a_request, in_an_answer, inside_a_commit, taken_and_not_booked, .. } =
                    killer.landed;
                let rare = [in_a_request, in_an_answer, inside_a_commit, taken_and_not_booked];
                assert!(kills < 500 || rare.iter().all(|it| *it >= kills / 100), "of {kills}: {rare:?}");
            });
        }
    });
    eprintln!("seed {seed}: {kills} kills in {} s", started.elapsed().as_secs());
}
