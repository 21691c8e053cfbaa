//! A story: what happens to a shop, in the order of time. It follows from a seed alone, so that the same seed tells the same story; and
//! it is a list, so that steps can be left out of it to find the shortest one that shows a fault.

use chrono::{NaiveDate, NaiveTime};

use super::dice::Dice;
use super::people::{Person, RAILS};
use crate::adapters::rail::sandbox::FaultKind;
use crate::domain::date::{At, moment, plus_days};
use crate::domain::statement::Cause;
use crate::t;

/// The zone of a simulated shop.
pub const ZONE: chrono_tz::Tz = chrono_tz::Asia::Shanghai;

/// Hours at which cron starts a run.
const RUNS: [u32; 4] = [8, 9, 17, 20];
/// Hours after the story in which everything that is open must come to its end.
const EPILOGUE_HOURS: [u32; 8] = [8, 9, 33, 57, 105, 177, 201, 225];

/// What somebody does. People are named by their place; whoever is not there does nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Cron, or the owner, starts a debit run.
    Run,
    /// A run on a machine whose clock went back by so many hours.
    RunEarly(u32),
    /// A new customer signs at the counter.
    Sign(u32),
    /// Somebody who signed before signs for one more pet.
    SignAnother(u32),
    /// Everybody who was sent a sign link agrees.
    Agree,
    /// Somebody's wallet app holds that much: nothing, one month, plenty.
    Fund(u32, i64),
    /// Pay day: everybody whose wallet app is empty has plenty again.
    EveryoneEarns,
    /// Somebody binds a card that can pay that much.
    Card(u32, i64),
    /// Somebody pays the open link of an overdue term; which one, of those there are.
    PayLink(u32),
    /// Somebody pays an overdue term at the counter; which one.
    Counter(u32),
    /// The owner moves an overdue term to a later day; which one, by how many days.
    Postpone(u32, u32),
    /// The owner gives a collected term back, wholly or a part of 10.00.
    Refund(u32, bool),
    /// The customer ends the mandate in the wallet app.
    Revoke(u32),
    /// The customer is given a new mandate.
    SignAgain(u32),
    /// The owner closes a mandate.
    CloseMandate(u32),
    /// The agreement pauses for so many days.
    Pause(u32, u32),
    /// The pause ends early.
    Resume(u32),
    /// Somebody terminates.
    Terminate(u32, Cause, bool),
    /// The owner confirms a settlement statement.
    Confirm(u32),
    /// The owner hands over at the counter what no rail can pay back.
    PayByHand(u32),
    /// The pet dies.
    PetDies(u32),
    /// The customer buys; what, how.
    Buy(u32, u32),
    /// The customer calls an order off or brings it back; which one.
    TakeBack(u32, u32),
    /// A rail goes wrong: which, how, for how many calls or hours.
    Trouble(u32, FaultKind, u32),
    /// The owner sends the waiting messages.
    SendMessages,
    /// The owner asks about mandates that wait.
    SyncMandates,
    /// The owner fetches yesterday's bills.
    FetchBills,
    /// The owner clears somebody's flag.
    ClearFlag(u32),
    /// The faults of all rails are over.
    AllWell,
}

/// What goes wrong on this machine during a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Snag {
    /// The power fails.
    Dies,
    /// One commit does not fit on the disk.
    DiskFull,
    /// One answer of a rail or channel is lost, or one question.
    LostCall,
    /// Somebody does something at that very moment.
    Meanwhile(Box<Act>),
}

/// A step of the story.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// When.
    pub at: At,
    /// What.
    pub act: Act,
    /// What goes wrong, and past how many boundaries.
    pub snag: Option<(u32, Snag)>,
}

/// How a story is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plot {
    /// The seed.
    pub seed: u64,
    /// Days that it lasts.
    pub days: u32,
    /// Agreements, the earlier book's and those that are signed on the way.
    pub agreements: u32,
    /// Whether things go wrong on the machine and at the rails.
    pub faults: bool,
}

impl Plot {
    /// The first day.
    pub fn from(&self) -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 11, 1).unwrap_or_default()
    }

    /// The day after the last.
    pub fn to(&self) -> NaiveDate {
        plus_days(self.from(), i64::from(self.days))
    }
}

/// The moment of a day in the shop's zone.
pub fn at(day: NaiveDate, hour: u32, minute: u32) -> At {
    let day = plus_days(day, i64::from(hour / 24));
    moment(day, NaiveTime::from_hms_opt(hour % 24, minute, 0).unwrap_or_default(), ZONE)
}

/// Tells the story of a plot with these people.
pub fn tell(plot: &Plot, people: &[Person]) -> Vec<Step> {
    let mut dice = Dice::new(plot.seed);
    let mut steps = Vec::new();
    let mut off_until = plot.from();
    let mut day = plot.from();
    while day < plot.to() {
        if plot.faults && day >= off_until && dice.in_thousand(12) {
            off_until = plus_days(day, 1 + i64::from(dice.below(9)));
        }
        let mut today: Vec<(u32, Act)> = Vec::new();
        for hour in RUNS {
            let missed = plot.faults && dice.in_thousand(30);
            if day >= off_until && !missed {
                today.push((hour * 60, Act::Run));
            }
        }
        for it in people.iter().filter(|it| it.signs_on == Some(day)) {
            today.push((600 + dice.below(600), Act::Sign(it.place)));
            // Most agree on the spot, the others on another day.
            if dice.in_thousand(800) {
                today.push((1_200, Act::Agree));
            }
        }
        for _ in 0..2 + plot.agreements / 60 {
            let when = 480 + dice.below(780);
            today.push((when, happens(&mut dice, plot)));
        }
        today.sort_by_key(|it| it.0);
        for (minute, act) in today {
            let snag = if plot.faults { snag(&mut dice, plot) } else { None };
            steps.push(Step { at: at(day, minute / 60, minute % 60), act, snag });
        }
        day = plus_days(day, 1);
    }
    steps.extend(epilogue(plot.to()));
    steps
}

/// The end of every story: nothing goes wrong any more, and what is open is settled.
fn epilogue(day: NaiveDate) -> impl Iterator<Item = Step> {
    let well = Step { at: at(day, 7, 0), act: Act::AllWell, snag: None };
    let runs = EPILOGUE_HOURS.into_iter().map(move |hour| Step { at: at(day, hour, 0), act: Act::Run, snag: None });
    std::iter::once(well).chain(runs)
}

fn happens(dice: &mut Dice, plot: &Plot) -> Act {
    let who = dice.below(plot.agreements);
    let any = dice.below(1_000);
    match dice.below(100) {
        0..=7 => Act::Fund(who, [0, 0, 19_900, 500_000][usize::try_from(any % 4).unwrap_or(0)]),
        8..=9 => Act::EveryoneEarns,
        10 => Act::Card(who, [0, 5_000_000][usize::try_from(any % 2).unwrap_or(0)]),
        11..=18 => Act::PayLink(any),
        19..=24 => Act::Counter(any),
        25..=26 => Act::Postpone(any, 1 + any % 9),
        27..=30 => Act::Refund(who, any.is_multiple_of(3)),
        31..=32 => Act::Revoke(who),
        33..=37 => Act::SignAgain(who),
        38 => Act::CloseMandate(who),
        39..=41 => Act::Pause(who, 20 + any % 60),
        42 => Act::Resume(who),
        43..=44 => Act::Terminate(who, Cause::ALL[usize::try_from(any % 4).unwrap_or(0)], any.is_multiple_of(2)),
        45..=46 => Act::Confirm(who),
        47 => Act::PayByHand(who),
        48 => Act::PetDies(who),
        49..=70 => Act::Buy(who, any),
        71..=76 => Act::TakeBack(who, any),
        77..=82 if plot.faults => trouble(dice, any),
        83 if plot.faults => Act::RunEarly(1 + any % 400),
        84..=86 => Act::SendMessages,
        87..=88 => Act::SyncMandates,
        89..=90 => Act::FetchBills,
        91 => Act::ClearFlag(who),
        92..=94 => Act::Agree,
        95 => Act::SignAnother(who),
        _ => Act::Buy(who, any),
    }
}

fn trouble(dice: &mut Dice, any: u32) -> Act {
    let rail = dice.below(3);
    let kind = FaultKind::ALL[usize::try_from(dice.below(6)).unwrap_or(0)];
    Act::Trouble(rail, kind, 1 + any % 24)
}

/// What goes wrong during a step: rarely anything, and then soon or late.
fn snag(dice: &mut Dice, plot: &Plot) -> Option<(u32, Snag)> {
    if !dice.in_thousand(70) {
        return None;
    }
    let reach = [4, 12, 40, 160][usize::try_from(dice.below(4)).unwrap_or(0)];
    let after = dice.below(reach);
    let snag = match dice.below(4) {
        0 => Snag::Dies,
        1 => Snag::DiskFull,
        2 => Snag::LostCall,
        _ => Snag::Meanwhile(Box::new(match dice.below(3) {
            0 => Act::Run,
            _ => happens(dice, plot),
        })),
    };
    Some((after, snag))
}

impl Step {
    /// The step as a line for people.
    pub fn text(&self) -> String {
        let when = self.at.with_timezone(&ZONE).format("%Y-%m-%d %H:%M");
        let what = self.act.text();
        match &self.snag {
            None => format!("{when}  {what}"),
            Some((after, snag)) => {
                let point = after + 1;
                let snag = match snag {
                    Snag::Dies => t!("the power fails at boundary {n}", n = point),
                    Snag::DiskFull => t!("the disk is full from boundary {n}, for one commit", n = point),
                    Snag::LostCall => t!("the connection is lost from boundary {n}, for one call", n = point),
                    Snag::Meanwhile(act) => {
                        t!("at boundary {n}, meanwhile: {act}", n = point, act = act.text())
                    }
                };
                format!("{when}  {what}; {snag}")
            }
        }
    }
}

impl Act {
    /// The act in a few words.
    pub fn text(&self) -> String {
        let who = |place: &u32| place + 1;
        match self {
            Act::Run => t!("a debit run"),
            Act::RunEarly(hours) => t!("a debit run, the clock {n} hours slow", n = hours),
            Act::Sign(it) => t!("person {n} signs", n = who(it)),
            Act::SignAnother(it) => t!("person {n} signs for one more pet", n = who(it)),
            Act::Agree => t!("whoever has a sign link agrees"),
            Act::Fund(it, fen) => {
                let yuan = crate::domain::money::Money::from_fen(*fen).yuan();
                t!("person {n} has {amount} in the wallet app", n = who(it), amount = yuan)
            }
            Act::EveryoneEarns => t!("everybody is paid"),
            Act::Card(it, fen) => {
                let yuan = crate::domain::money::Money::from_fen(*fen).yuan();
                t!("person {n} binds a card with {amount}", n = who(it), amount = yuan)
            }
            Act::PayLink(_) => t!("somebody pays a link"),
            Act::Counter(_) => t!("somebody pays at the counter"),
            Act::Postpone(_, days) => t!("an overdue term is moved by {n} days", n = days),
            Act::Refund(it, _) => t!("person {n} is refunded", n = who(it)),
            Act::Revoke(it) => t!("person {n} ends the mandate in the app", n = who(it)),
            Act::SignAgain(it) => t!("person {n} gets a new mandate", n = who(it)),
            Act::CloseMandate(it) => t!("the owner closes the mandate of person {n}", n = who(it)),
            Act::Pause(it, days) => t!("person {n} pauses for {days} days", n = who(it), days = days),
            Act::Resume(it) => t!("person {n} resumes", n = who(it)),
            Act::Terminate(it, cause, _) => t!("person {n} terminates ({cause})", n = who(it), cause = cause.word()),
            Act::Confirm(it) => t!("the settlement of person {n} is confirmed", n = who(it)),
            Act::PayByHand(it) => t!("person {n} is paid out at the counter", n = who(it)),
            Act::PetDies(it) => t!("the pet of person {n} dies", n = who(it)),
            Act::Buy(it, _) => t!("person {n} buys something", n = who(it)),
            Act::TakeBack(it, _) => t!("person {n} brings something back", n = who(it)),
            Act::Trouble(rail, kind, times) => {
                let name = RAILS[usize::try_from(*rail).unwrap_or(0) % RAILS.len()].0;
                t!("rail {rail} goes wrong: {kind} {n}", rail = name, kind = kind.word(), n = times)
            }
            Act::SendMessages => t!("the owner sends messages"),
            Act::SyncMandates => t!("the owner asks about mandates"),
            Act::FetchBills => t!("the owner fetches bills"),
            Act::ClearFlag(it) => t!("the owner clears the flag of person {n}", n = who(it)),
            Act::AllWell => t!("every rail is well again"),
        }
    }
}
