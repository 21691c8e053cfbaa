//! How fast a real rail is charged when its provider takes 200 ms for every answer: bounded by the calls in flight and the rate limit,
//! not by the database. Beside it stands what the calls alone would take: two for each charge, a look at the mandate and the
//! charge itself. The provider is the gateway of the tests, on this machine; the clock is the real one.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kibble::adapters::rail::alipay::Alipay as Adapter;
use kibble::adapters::rail::sandbox::Book;
use kibble::adapters::rail::{MandateRef, MandateState, Rail, SignRequest};
use kibble::clock::Clock;
use kibble::config::{Config, HttpSettings};
use kibble::domain::date::{Hours, day_of, plus_days};
use kibble::domain::money::Money;
use kibble::ops::Ctx;
use kibble::ops::debit::{self, Options};

use crate::provider::Server;
use crate::provider::alipay::{Alipay, account};
use crate::seed::{self, Seed, contract_no};
use crate::suite;
use crate::table::{Figure, Row, Scale, grouped};

const ANSWER_MS: u64 = 200;
/// Calls in flight, calls per second (0: no limit).
const CASES: [(u32, u32); 4] = [(1, 0), (8, 0), (32, 0), (32, 50)];

pub fn run(scale: &Scale) -> Vec<Row> {
    let mut rows = Vec::new();
    let cases = if scale.small { &CASES[2..3] } else { &CASES };
    for count in scale.sizes(&[256], 4) {
        for (in_flight, per_second) in cases.iter().copied() {
            // One at a time takes long enough with fewer.
            let count = if in_flight == 1 { count.div_ceil(8) } else { count };
            let answer_ms = if scale.small { 1 } else { ANSWER_MS };
            let seconds = case(count, in_flight, per_second, answer_ms);
            let by_flight = f64::from(in_flight) * 1_000.0 / answer_ms as f64;
            let calls = if per_second == 0 { by_flight } else { by_flight.min(f64::from(per_second)) };
            let limit = if per_second == 0 { String::new() } else { format!(", {per_second} a second") };
            rows.push(Row {
                what: format!("real rail of {ANSWER_MS} ms, {in_flight} in flight{limit}, beside its calls alone"),
                size: format!("{} charges", grouped(count)),
                kibble: Figure::Time(Duration::from_secs_f64(seconds)),
                bare: Figure::Time(Duration::from_secs_f64(f64::from(count) * 2.0 / calls)),
                goal: Some(1.25),
            });
        }
    }
    rows
}

/// Seconds of a debit run over `count` due terms.
fn case(count: u32, in_flight: u32, per_second: u32, answer_ms: u64) -> f64 {
    let root = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let folder = root.path().join("shop");
    let now = Clock::System.now();
    let today = day_of(now, chrono_tz::Asia::Shanghai);
    let mut profile = suite::profile("alipay");
    profile.hours = Hours::new((0, 0), (0, 0));
    (profile.calls_in_flight, profile.calls_per_second) = (in_flight, per_second);

    let book = Arc::new(Book::in_memory().unwrap());
    let gateway = Arc::new(Alipay::new("alipay", profile.clone(), Clock::System, book));
    let server = Server::start(gateway.clone());
    let rail = rail(root.path(), &server, &profile);
    for number in 1..=count {
        let request = SignRequest {
            contract_no: contract_no(number),
            customer_label: String::new(),
            payer: format!("c-{number}"),
            amount: Money::from_fen(19_900),
            count: 12,
            first_date: profile.registered(today),
            valid_until: plus_days(today, 400),
        };
        let link = rail.sign_link(&request).unwrap();
        gateway.agrees(&gateway.opens(&link.qr, &request.payer));
    }
    let seed = Seed {
        folder: &folder,
        key: &root.path().join("shop.key"),
        size: count,
        now: now - chrono::TimeDelta::days(40),
        signed_on: plus_days(today, -40),
        due: today,
        term: 1,
        charge_from: now - chrono::TimeDelta::hours(1),
    };
    seed::shop(&seed, |number| {
        let mandate = MandateRef { contract_no: contract_no(number), provider_no: None };
        match rail.mandate_state(&mandate) {
            Ok(MandateState::Live { provider_no, .. }) => provider_no,
            other => panic!("{other:?}"),
        }
    });
    let mut config = Config::load(&folder).unwrap();
    config.settings.debit.window = 128;
    config.settings.debit.hour = chrono::NaiveTime::MIN;
    config.rails.get_mut("alipay").unwrap().profile = profile.clone();
    let mut ctx = Ctx::wire(config, Clock::System).unwrap();
    ctx.rails.insert("alipay".into(), Arc::new(rail));
    server.set_delay(Duration::from_millis(answer_ms));
    let started = Instant::now();
    let outcome = debit::run(&ctx, &Options { confirm_backlog: true, ..Options::default() }).unwrap();
    let seconds = started.elapsed().as_secs_f64();
    let debit::Outcome::Ran(run) = outcome else { panic!("another run") };
    assert_eq!((run.paid, run.charged), (u64::from(count), u64::from(count)), "{run:?}");
    seconds
}

fn rail(root: &Path, server: &Server, profile: &kibble::domain::rail::Profile) -> Adapter {
    let keys = root.join("keys");
    std::fs::create_dir(&keys).unwrap();
    let account = account(&keys, &server.url()).try_into().unwrap();
    Adapter::open("alipay", profile.clone(), Clock::System, account, &HttpSettings::default())
}
