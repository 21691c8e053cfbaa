//! A disk that is full: with so many pages left, then a few more, and so on until the command succeeds. Linux only: the small disk is one
//! in memory, mounted over the shop's folder for one command.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::due::{ALIPAY, WECHAT, announced, ask, ask_rail, holds, shop, wallet};
use crate::import::book_of;
use crate::plant;
use crate::shop::Shop;

/// What a page of such a disk holds, in KiB.
const PAGE: u64 = 4;
/// More pages than any of these commands needs.
const MOST: u64 = 600;

/// Mounts `$3` KiB over the folder `$1`, fills it with what lies in `$2`, runs the rest, and carries what is there then to `$4`.
const SCRIPT: &str = r#"
    mount -t tmpfs -o "size=$3k" none "$1" || exit 97
    cp -a "$2/." "$1/" || exit 98
    cd "$1"; dir=$1; out=$4; shift 4
    "$@"; code=$?
    cp -a "$dir/." "$out/" || exit 99
    exit "$code"
"#;

/// A command that ran on a small disk.
struct Tight {
    code: i32,
    err: String,
    line: String,
    free: u64,
}

impl Tight {
    /// It could not be done, and says so in a way that leads on.
    #[track_caller]
    fn says_why(&self) {
        let Tight { code, err, line, free } = self;
        let told = format!("{line} with {free} pages free: exit code {code}\n{err}");
        assert_eq!(*code, 1, "{told}");
        let words = ["the disk is full", "the disk refused to", "the export cannot be written", "cannot write"];
        assert!(words.iter().any(|word| err.contains(word)), "{told}");
        let lines = err.lines().skip_while(|line| !line.starts_with("error: ")).count();
        assert!(!err.contains("panicked") && (1..=3).contains(&lines), "{told}");
        assert!(!err.contains("os error"), "the reader's own words: {told}");
    }
}

fn copied(from: &Path, to: &Path) {
    let done = Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(done.success(), "{}", from.display());
}

/// How many pages the files in a folder take.
fn pages(folder: &Path) -> u64 {
    let mut sum = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let about = fs::symlink_metadata(&path).unwrap();
        sum += if about.is_dir() { pages(&path) } else { about.len().div_ceil(PAGE * 1024) };
    }
    sum
}

/// False where nobody may mount anything: then there is no small disk to test with.
fn can_mount() -> bool {
    let try_it = ["--user", "--map-root-user", "--mount", "sh", "-c", "mount -t tmpfs none /mnt"];
    let may = Command::new("unshare").args(try_it).stderr(Stdio::null()).status().is_ok_and(|it| it.success());
    if !may {
        super::skipped("this machine lets nobody mount a small disk");
    }
    may
}

/// The whole of a shop, to be put back as often as one likes.
struct Saved<'a> {
    shop: &'a mut Shop,
    copy: tempfile::TempDir,
}

impl<'a> Saved<'a> {
    /// The provider's own book goes elsewhere first: its disk is not the shop's.
    fn of(shop: &'a mut Shop) -> Saved<'a> {
        let root = shop.dir().parent().unwrap().to_owned();
        if shop.path("sandbox.db").is_file() {
            fs::rename(shop.path("sandbox.db"), root.join("sandbox.db")).unwrap();
            std::os::unix::fs::symlink(root.join("sandbox.db"), shop.path("sandbox.db")).unwrap();
        }
        let copy = tempfile::tempdir().unwrap();
        copied(&root, &copy.path().join("root"));
        Saved { shop, copy }
    }

    fn put_back(&self) {
        let root = self.shop.dir().parent().unwrap().to_owned();
        for entry in fs::read_dir(&root).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
        }
        copied(&self.copy.path().join("root/."), &root);
    }

    /// Runs `line` on a disk with `free` pages to spare, and puts what is there then into the place of the shop's folder.
    fn on_a_disk_with(&self, free: u64, line: &str) -> Tight {
        let dir = self.shop.dir();
        let (full, out) = (dir.with_file_name("full"), dir.with_file_name("out"));
        fs::rename(&dir, &full).unwrap();
        fs::create_dir(&dir).unwrap();
        fs::create_dir(&out).unwrap();
        let size = (pages(&full) + free).max(1) * PAGE;
        let inner = self.shop.command(line);
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c", SCRIPT, "sh"]);
        command.args([&dir, &full]).arg(size.to_string()).arg(&out).arg(inner.get_program()).args(inner.get_args());
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?)))).stdin(Stdio::null());
        let output = command.output().unwrap();
        let (code, err) = (output.status.code().unwrap_or(-1), String::from_utf8(output.stderr).unwrap());
        assert!(!(97..=99).contains(&code), "the small disk itself: {err}");
        fs::remove_dir(&dir).unwrap();
        fs::remove_dir_all(&full).unwrap();
        fs::rename(&out, &dir).unwrap();
        Tight { code, err, line: line.to_owned(), free }
    }

    /// Gives `line` more and more room, every `step` pages, until it succeeds. After each time `judge` sees what became of it.
    fn sweep(&self, line: &str, step: u64, judge: impl Fn(&Shop, &Tight)) {
        self.sweep_to(MOST, line, step, judge);
    }

    /// The same for a command that may need up to `most` pages.
    fn sweep_to(&self, most: u64, line: &str, step: u64, judge: impl Fn(&Shop, &Tight)) {
        for (failed, free) in (0..most).step_by(usize::try_from(step).unwrap()).enumerate() {
            self.put_back();
            let tight = self.on_a_disk_with(free, line);
            nothing_lies_about(self.shop, &tight);
            judge(self.shop, &tight);
            if tight.code == 0 {
                assert!(failed > 0, "{line} never met the end of the disk");
                return;
            }
        }
        panic!("{line} needs more than {most} pages");
    }
}

/// No half-made file is left, neither under a hidden name nor under one of a log that belongs to nothing.
#[track_caller]
fn nothing_lies_about(shop: &Shop, tight: &Tight) {
    let mut left = Vec::new();
    let mut folders = vec![shop.dir()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if name.starts_with('.') || name.contains(".part") || name.ends_with("-journal") {
                left.push(path.clone());
            }
            if path.is_dir() {
                folders.push(path);
            }
        }
    }
    assert!(left.is_empty(), "{} with {} pages free left {left:?}\n{}", tight.line, tight.free, tight.err);
}

/// Four terms due on the fifth, announced; the first customer has no money.
fn due_today() -> Shop {
    let mut shop = shop(&[ALIPAY, ALIPAY, WECHAT, WECHAT]);
    announced(&mut shop);
    shop.run("sandbox fund c-1 0").exits(0);
    shop.at("2026-11-05T09:00");
    shop
}

#[test]
fn a_debit_run_on_a_full_disk_collects_each_term_once_whatever_page_was_the_last() {
    if !can_mount() {
        return;
    }
    let mut shop = due_today();
    let saved = Saved::of(&mut shop);
    saved.sweep("debit run", 5, |shop, tight| {
        // A run that got far enough to make its report says that messages wait; one that did not says why.
        match tight.code {
            0 => {}
            3 => assert!(tight.err.is_empty() || tight.err.contains("disk"), "{}", tight.err),
            _ => tight.says_why(),
        }
        let told = || format!("{} pages free: {}", tight.free, tight.err);
        holds(shop);
        for at in ["2026-11-05T10:00", "2026-11-05T11:00"] {
            let ran = shop.run(&format!("debit run --now {at}"));
            assert!(ran.code == 0 || ran.code == 3, "{}\n{}", told(), ran.full());
        }
        holds(shop);
        for (customer, fen) in [(1, 0), (2, 19_900), (3, 19_900), (4, 19_900)] {
            assert_eq!(wallet(shop, customer), fen, "c-{customer}, {}", told());
        }
        assert_eq!(ask_rail(shop, "SELECT count(*), count(DISTINCT order_no) FROM orders WHERE state = 'paid'"), "3|3");
        // Everybody was told, and told once.
        let waiting = ask(shop, "SELECT count(*) FROM message WHERE state NOT IN ('sent', 'cancelled')");
        assert_eq!(waiting, "0", "{}: {}", told(), ask(shop, "SELECT template, state, code FROM message"));
        let texts = shop.read("messages.txt");
        for id in ask(shop, "SELECT id FROM message WHERE state = 'sent'").lines() {
            let times = texts.lines().filter(|line| line.split('\t').next() == Some(&format!("n-{id}"))).count();
            assert_eq!(times, 1, "n-{id}, {}\n{texts}", told());
        }
    });
}

/// A shop with its own address, empty, and a book of two customers beside it.
fn new_shop() -> Shop {
    let mut shop = shop(&[]);
    let row = |place: u32, name: &str| {
        let id = crate::due::id_number(place);
        format!("{name},1990000000{place},{id},团子,猫,英短,猫粮月付199,199.00,12,2026-10-05,5,支付宝,HT{place},,")
    };
    shop.write("two.csv", book_of(&[&row(1, "陈一"), &row(2, "陈二")]));
    shop.at("2026-11-01T09:00");
    shop
}

#[test]
fn what_is_signed_or_imported_on_a_full_disk_is_whole_or_not_there() {
    if !can_mount() {
        return;
    }
    let sign = format!(
        "sign --name 王小明 --phone 19900000009 --id-number {} --pet-name 团子 --species cat --breed 英短 --sex female
         --source rescued --reference-cost 800 --plan cat-199-12 --rail alipay --debit-day 5 --acknowledged",
        crate::due::id_number(9)
    );
    let import = "agreement import two.csv --paid-until 2026-10-31".to_owned();
    let mut shop = new_shop();
    let saved = Saved::of(&mut shop);
    for (line, whole) in [(sign, "1|1|1"), (import, "2|2|2")] {
        saved.sweep(&line, 4, |shop, tight| {
            if tight.code != 0 {
                tight.says_why();
            }
            holds(shop);
            let count = || {
                let tables = ["customer", "pet", "agreement"].map(|table| format!("(SELECT count(*) FROM {table})"));
                ask(shop, &format!("SELECT {}", tables.join(", ")))
            };
            let told = || format!("{} with {} pages free: {}\n{}", tight.line, tight.free, count(), tight.err);
            assert!(["0|0|0", whole].contains(&count().as_str()), "{}", told());
            // With room again the same command does it, or sees that it is done.
            let again = shop.run(&tight.line);
            assert!(again.code == 0 || count() == whole, "{}\n{}", told(), again.full());
            assert_eq!(count(), whole, "{}", told());
            holds(shop);
        });
    }
}

#[test]
fn a_backup_and_an_export_on_a_full_disk_are_whole_or_not_there() {
    if !can_mount() {
        return;
    }
    let mut shop = due_today();
    shop.run("debit run").exits(0);
    let saved = Saved::of(&mut shop);
    let files = |shop: &Shop, folder: &str| fs::read_dir(shop.path(folder)).map_or(0, Iterator::count);
    saved.sweep("backup", 6, |shop, tight| {
        if tight.code != 0 {
            tight.says_why();
        }
        // The one write after the copy is the audit row: a copy without it is as good.
        for entry in fs::read_dir(shop.path("backups")).into_iter().flatten() {
            let file = entry.unwrap().path();
            kibble::db::backup::inspect(&file, true).unwrap_or_else(|error| panic!("{}: {error:#}", tight.free));
        }
        holds(shop);
    });
    saved.sweep("report export --month 2026-11 --out out", 2, |shop, tight| {
        if tight.code != 0 {
            tight.says_why();
        }
        let count = files(shop, "out");
        assert!(if tight.code == 0 { count == 10 } else { count == 0 || count == 10 }, "{count}: {}", tight.err);
        holds(shop);
    });
}

#[test]
fn a_large_export_that_meets_the_end_of_the_disk_amid_its_rows_says_so() {
    if !can_mount() {
        return;
    }
    let mut shop = due_today();
    plant::sql(
        &shop,
        "WITH RECURSIVE n(i) AS (SELECT 1000 UNION ALL SELECT i + 1 FROM n WHERE i < 6000)
         INSERT INTO entry (id, at, day, kind, ref, note)
           SELECT i, '2026-11-03T01:00:00Z', '2026-11-03', 'order', 'o-' || i, 'a remark of some length' FROM n;
         INSERT INTO posting (entry_id, line, account, customer_id, amount)
           SELECT id, 1, 'bank', 0, 1 FROM entry WHERE id >= 1000 UNION ALL
           SELECT id, 2, 'cash', 0, -1 FROM entry WHERE id >= 1000;",
    );
    let saved = Saved::of(&mut shop);
    saved.sweep_to(6_000, "report export --month 2026-11 --out out", 460, |_, tight| match tight.code {
        0 => assert!(tight.free > 200, "never met the end of the disk amid its rows"),
        _ => tight.says_why(),
    });
}

#[test]
fn a_restore_on_a_full_disk_leaves_a_database_that_is_the_old_or_the_restored_one() {
    if !can_mount() {
        return;
    }
    let mut shop = due_today();
    shop.run("backup --out copies").exits(0);
    let file = fs::read_dir(shop.path("copies")).unwrap().next().unwrap().unwrap().file_name();
    shop.run("debit run").exits(0);
    let last = ask(&shop, "SELECT max(seq) FROM audit");
    let saved = Saved::of(&mut shop);
    let line = format!("restore copies/{} --yes", file.to_str().unwrap());
    saved.sweep(&line, 8, |shop, tight| {
        let restored = ask(shop, "SELECT restored_at IS NOT NULL FROM shop") == "1";
        assert_eq!(restored, tight.code == 0, "{} pages free: {}", tight.free, tight.err);
        if restored {
            shop.run("debit run").fails(1, "kibble adopt");
        } else {
            tight.says_why();
            assert_eq!(ask(shop, "SELECT max(seq) FROM audit"), last);
            shop.run("debit run").exits(0);
        }
        shop.run("audit verify").exits(0);
    });
    // To adopt needs little room, and either happens or does not.
    saved.put_back();
    saved.shop.run(&line).exits(0);
    let root = Saved { shop: saved.shop, copy: tempfile::tempdir().unwrap() };
    copied(root.shop.dir().parent().unwrap(), &root.copy.path().join("root"));
    root.sweep("adopt --yes", 2, |shop, tight| {
        let adopted = ask(shop, "SELECT copy_no FROM shop") == "2";
        assert_eq!(adopted, tight.code == 0, "{} pages free: {}", tight.free, tight.err);
        if !adopted {
            tight.says_why();
            shop.run("adopt --yes").ok("copy 2");
        }
        for at in ["2026-11-05T10:00", "2026-11-05T11:00"] {
            shop.run(&format!("debit run --now {at}"));
        }
        assert_eq!((wallet(shop, 2), wallet(shop, 4)), (19_900, 19_900), "{} pages free", tight.free);
        assert_eq!(ask_rail(shop, "SELECT count(*) FROM orders WHERE state = 'paid'"), "3");
        holds(shop);
    });
}

#[test]
fn a_shop_that_does_not_fit_on_the_disk_leaves_nothing_behind() {
    if !can_mount() {
        return;
    }
    let mut shop = Shop::new();
    shop.lang("en");
    let saved = Saved::of(&mut shop);
    saved.sweep("--shop new init --name A --name-en A --rail alipay=sandbox --yes", 12, |shop, tight| {
        if tight.code == 0 {
            shop.run("--shop new check").exits(0);
            return;
        }
        tight.says_why();
        assert!(!shop.path("new").exists(), "{} pages free", tight.free);
        let keys = fs::read_dir(shop.dir().with_file_name("home").join(".config/kibble"));
        assert_eq!(keys.map_or(0, Iterator::count), 0, "a key that opens nothing, {} pages free", tight.free);
        shop.run(&tight.line).exits(0);
    });
}
