//! The world of a simulation: a shop in a temporary folder, pretended rails whose book lives in memory, a message channel that remembers
//! what it delivered, and a boundary at which the story's snags strike. What is outside the shop's folder outlives every power cut.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use tempfile::TempDir;

use super::people::{self, Person, RAILS};
use super::story::{Plot, Snag, at};
use crate::adapters::notify::{Handed, Notify, Parcel, Receipt, Trace};
use crate::adapters::rail::Rail;
use crate::adapters::rail::guarded::Guarded;
use crate::adapters::rail::sandbox::book::Book;
use crate::adapters::rail::sandbox::{Sandbox, Temper};
use crate::boundary::{Boundary, Point};
use crate::clock::Clock;
use crate::config::{self, Config, SHOP_TOML};
use crate::domain::date::{At, FirstDebit, plus_days};
use crate::ops::agreement_import::{ImportOptions, import};
use crate::ops::init::{NewShop, init};
use crate::ops::{Ctx, catalog};
use crate::text::Lang;

/// The example price list.
const CATALOG: &[u8] = include_bytes!("../../../examples/data/catalog.csv");
/// Stands in every order number of a simulation, so that the sandbox, which decides by order number, decides the same every time.
pub const INSTALL_CODE: &str = "SIMULATE";
/// The name of the channel in `shop.toml`.
const CHANNEL: &str = "print";
/// Hour at which the shop is opened, on the day before the story.
const OPENED_HOUR: u32 = 8;

/// The world.
pub struct World {
    /// Holds the shop's folder and the key beside it; both vanish with it.
    _folder: TempDir,
    hands: Hands,
    /// Who lives there.
    pub people: Vec<Person>,
}

/// What somebody needs to open the shop, at once with others.
#[derive(Clone)]
pub struct Hands {
    config: Config,
    /// The time.
    pub clock: Clock,
    /// The book of the pretended rails.
    pub book: Arc<Book>,
    /// What was delivered.
    pub post: Arc<Post>,
    temper: Temper,
    /// What strikes at the boundary.
    pub stage: Arc<Stage>,
}

/// What strikes during a step.
#[derive(Default)]
pub struct Stage {
    /// Boundaries passed in this step.
    passed: AtomicU32,
    /// True once the power has failed.
    dead: AtomicBool,
    /// True once the snag has struck.
    struck: AtomicBool,
    snag: Mutex<Option<(u32, Strike)>>,
}

/// What a snag does when its boundary comes.
enum Strike {
    Dies,
    DiskFull,
    LostCall,
    Meanwhile(Box<dyn FnOnce() + Send>),
}

impl Stage {
    /// Sets what strikes in the step that begins.
    fn set(&self, snag: Option<(u32, Strike)>) {
        self.passed.store(0, Ordering::Relaxed);
        self.dead.store(false, Ordering::Relaxed);
        self.struck.store(false, Ordering::Relaxed);
        *self.snag.lock().unwrap_or_else(PoisonError::into_inner) = snag;
    }

    /// Whether the power failed in this step.
    pub fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Relaxed)
    }

    /// Whether anything struck in this step.
    pub fn has_struck(&self) -> bool {
        self.struck.load(Ordering::Relaxed)
    }

    fn passes(&self, point: Point) -> bool {
        if self.is_dead() {
            return false;
        }
        let passed = self.passed.fetch_add(1, Ordering::Relaxed);
        let mut set = self.snag.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |strike: &Strike| match strike {
            Strike::Dies => true,
            Strike::DiskFull => point == Point::BeforeCommit,
            Strike::LostCall => matches!(point, Point::BeforeCall | Point::AfterCall),
            // Whoever acts while a transaction is open waits for its end.
            Strike::Meanwhile(_) => point != Point::BeforeCommit,
        };
        if !set.as_ref().is_some_and(|(after, strike)| passed >= *after && fits(strike)) {
            return true;
        }
        let Some((_, strike)) = set.take() else { return true };
        drop(set);
        self.struck.store(true, Ordering::Relaxed);
        match strike {
            Strike::Dies => {
                self.dead.store(true, Ordering::Relaxed);
                false
            }
            Strike::DiskFull | Strike::LostCall => false,
            Strike::Meanwhile(act) => {
                act();
                true
            }
        }
    }
}

/// One delivery of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Our number of the message.
    pub id: String,
    /// Who heard it.
    pub audience: String,
    /// When.
    pub at: At,
}

/// A channel that delivers at once, remembers it, and can be asked.
#[derive(Default)]
pub struct Post {
    delivered: Mutex<Vec<Delivery>>,
}

impl Post {
    /// What was delivered after the first `seen`.
    pub fn since(&self, seen: usize) -> Vec<Delivery> {
        let delivered = self.delivered.lock().unwrap_or_else(PoisonError::into_inner);
        delivered.get(seen..).unwrap_or_default().to_vec()
    }
}

/// The channel as the shop sees it.
struct Channel {
    post: Arc<Post>,
    clock: Clock,
    boundary: Boundary,
}

impl Notify for Channel {
    fn name(&self) -> &str {
        CHANNEL
    }

    fn batch(&self) -> usize {
        50
    }

    fn send(&self, parcels: &[Parcel]) -> Vec<Receipt> {
        let lost = || Receipt::Unknown { said: String::new() };
        if !self.boundary.passes(Point::BeforeCall) {
            return parcels.iter().map(|_| lost()).collect();
        }
        let at = self.clock.now();
        let mut delivered = self.post.delivered.lock().unwrap_or_else(PoisonError::into_inner);
        for it in parcels {
            delivered.push(Delivery { id: it.id.clone(), audience: it.audience.clone(), at });
        }
        drop(delivered);
        let heard = self.boundary.passes(Point::AfterCall);
        let sent = || Receipt::Sent { said: String::new() };
        parcels.iter().map(|_| if heard { sent() } else { lost() }).collect()
    }

    fn look_up(&self, handed: &[Handed]) -> Vec<Trace> {
        if !self.boundary.passes(Point::BeforeCall) {
            return vec![Trace::NotYet { said: String::new() }; handed.len()];
        }
        let delivered = self.post.delivered.lock().unwrap_or_else(PoisonError::into_inner);
        let known: BTreeSet<&str> = delivered.iter().map(|it| it.id.as_str()).collect();
        let trace = |it: &Handed| match known.contains(it.parcel.id.as_str()) {
            true => Trace::Took { said: String::new() },
            false => Trace::Again { said: String::new() },
        };
        handed.iter().map(trace).collect()
    }
}

impl World {
    /// Opens a shop for a plot: price list, earlier book, everybody of it agreed.
    ///
    /// # Errors
    /// When the temporary folder cannot be written.
    pub fn open(plot: &Plot, people: Vec<Person>) -> Result<World> {
        let folder = config::scratch_folder()?;
        let eve = at(plus_days(plot.from(), -1), OPENED_HOUR, 0);
        let clock = Clock::fixed(eve);
        let rail = |(name, profile): (&str, &str)| (name.to_owned(), "sandbox".to_owned(), Some(profile.to_owned()));
        let new = NewShop {
            folder: folder.path().join("shop"),
            name: "团子宠物".to_owned(),
            name_en: "Tuanzi".to_owned(),
            uscc: "91110101MA00TEST0X".to_owned(),
            address: "示例市青禾路1号".to_owned(),
            phone: "010-00000000".to_owned(),
            lang: Lang::Zh,
            rails: RAILS.into_iter().map(rail).collect(),
            key_file: Some(folder.path().join("key")),
            install_code: Some(INSTALL_CODE.to_owned()),
        };
        init(&new, &clock)?;
        let mut config = Config::load(&new.folder).with_context(|| SHOP_TOML.to_owned())?;
        // An outage of nine days brings a backlog that the owner would confirm; here nobody sits at the terminal.
        config.settings.debit.backlog_count = u64::MAX;
        let temper = match plot.faults {
            true => Temper { seed: plot.seed, no_funds_bps: 700, limit_bps: 150, lose_answer_bps: 200 },
            false => Temper { seed: plot.seed, no_funds_bps: 0, limit_bps: 0, lose_answer_bps: 0 },
        };
        let hands = Hands {
            config,
            clock,
            book: Arc::new(Book::in_memory()?),
            post: Arc::new(Post::default()),
            temper,
            stage: Arc::new(Stage::default()),
        };
        let world = World { _folder: folder, hands, people };
        world.stock()?;
        Ok(world)
    }

    fn stock(&self) -> Result<()> {
        let ctx = self.hands.open()?;
        let files = tempfile::tempdir().context("a temporary folder")?;
        let write = |name: &str, content: &[u8]| {
            let path = files.path().join(name);
            fs::write(&path, content).with_context(|| path.display().to_string()).map(|()| path)
        };
        let (shelf, rejects) = (write("catalog.csv", CATALOG)?, files.path().join("rejects.csv"));
        catalog::import(&ctx, &catalog::Import { file: &shelf, dry_run: false, rejects: Some(&rejects) })?;
        let book = people::earlier_book(&self.people);
        let imported = import(
            &ctx,
            &ImportOptions {
                file: write("book.csv", book.as_bytes())?,
                paid_until: Some(ctx.today(ctx.now())),
                first_debit: FirstDebit::NextMonth,
                rejects: Some(rejects),
                links: Some(files.path().join("links.csv")),
                dry_run: false,
            },
        )?;
        let expected = self.people.iter().filter(|it| it.signs_on.is_none()).count();
        anyhow::ensure!(
            usize::try_from(imported.accepted)? == expected,
            "the simulated book has rows that are refused"
        );
        crate::ops::sandbox::sign(&ctx, None, ctx.now())?;
        Ok(())
    }

    /// What somebody needs to open the shop.
    pub fn hands(&self) -> &Hands {
        &self.hands
    }

    /// Sets what strikes in the step that begins; `act` is done by somebody else when a snag says so.
    pub fn strike(&self, snag: Option<&(u32, Snag)>, act: impl FnOnce(&super::story::Act) -> Box<dyn FnOnce() + Send>) {
        let strike = snag.map(|(after, snag)| {
            let strike = match snag {
                Snag::Dies => Strike::Dies,
                Snag::DiskFull => Strike::DiskFull,
                Snag::LostCall => Strike::LostCall,
                Snag::Meanwhile(meanwhile) => Strike::Meanwhile(act(meanwhile)),
            };
            (*after, strike)
        });
        self.hands.stage.set(strike);
    }
}

impl Hands {
    /// Opens the shop as a command does that meets the story's snags.
    ///
    /// # Errors
    /// When the database cannot be opened.
    pub fn open(&self) -> Result<Ctx> {
        let stage = self.stage.clone();
        self.wired(Boundary::guarded(move |point| stage.passes(point)))
    }

    /// Opens the shop as somebody else does, to whom nothing happens.
    ///
    /// # Errors
    /// As [`Hands::open`].
    pub fn open_beside(&self) -> Result<Ctx> {
        self.wired(Boundary::default())
    }

    fn wired(&self, boundary: Boundary) -> Result<Ctx> {
        let mut ctx = Ctx::wire(self.config.clone(), self.clock.clone())?;
        // The temporary folder is gone after a power cut of the real machine anyway.
        ctx.db.wait_for_disk(false)?;
        ctx.db.guard(boundary.clone());
        let mut rails: BTreeMap<String, Arc<dyn Rail>> = BTreeMap::new();
        for (name, rail) in &self.config.rails {
            let own = match name == "cash" {
                true => ctx.rail(name)?.clone(),
                false => {
                    let sandbox = Sandbox::open(name, rail.profile.clone(), self.clock.clone(), self.book.clone());
                    Arc::new(sandbox.with_fee_bps(rail.fee_bps).with_temper(self.temper))
                }
            };
            rails.insert(name.clone(), Arc::new(Guarded::new(own, boundary.clone())));
        }
        ctx.rails = rails;
        ctx.sandbox = Some(self.book.clone());
        let (post, clock) = (self.post.clone(), self.clock.clone());
        ctx.notify.put(Box::new(Channel { post, clock, boundary }));
        Ok(ctx)
    }
}
