//! Several processes at the same instant, with providers in a process of their own: runs, and clerks at work while a run is. Nobody
//! waits so long that the database counts as locked, and nothing is charged twice.

use std::process::{Command, Output, Stdio};
use std::sync::Barrier;

use crate::due::ask;
use crate::kill::Scene;

/// Terms of each agreement that are overdue where clerks are at work.
const OVERDUE: u32 = 20;

/// Starts all of them at one instant and waits for all.
fn at_once(commands: Vec<Command>) -> Vec<Output> {
    let instant = Barrier::new(commands.len());
    std::thread::scope(|scope| {
        let start = |mut command: Command| {
            let instant = &instant;
            scope.spawn(move || {
                command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
                instant.wait();
                command.output().unwrap()
            })
        };
        let started: Vec<_> = commands.into_iter().map(start).collect();
        started.into_iter().map(|it| it.join().unwrap()).collect()
    })
}

fn said(output: &Output) -> String {
    format!("{}: {}{}", output.status, String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn of_many_runs_started_at_one_instant_one_works_and_the_others_say_so() {
    let agreements = 12;
    let mut scene = Scene::new(agreements, 15);
    let mut busy = 0;
    for round in 1..=5 {
        scene.story = format!("round {round}");
        let (runs, left) = (scene.runs(), scene.left());
        let outputs = at_once((0..6).map(|_| scene.run()).collect());
        let mut worked = 0;
        for output in &outputs {
            match said(output) {
                said if said.contains("another debit run is at work") => {
                    assert_eq!(output.status.code(), Some(0), "{said}");
                    busy += 1;
                }
                said => {
                    assert!(said.contains("Debit run r-") && matches!(output.status.code(), Some(0 | 3)), "{said}");
                    worked += 1;
                }
            }
        }
        // Whoever comes when the first is done is a run of its own.
        assert_eq!(scene.runs() - runs, worked, "round {round}");
        assert_eq!(left - scene.left(), worked * agreements, "one term of each agreement a run");
        assert_eq!(scene.holds(), 0);
    }
    assert!(busy > 10, "of 30 runs only {busy} met another one");
    scene.settle();
}

#[test]
fn clerks_at_work_while_a_run_is_are_not_locked_out_and_charge_nobody_twice() {
    let mut scene = Scene::new(16, OVERDUE);
    let catalog = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/catalog.csv");
    scene.shop.run(&format!("catalog import {catalog}")).exits(0);
    for (round, leaves) in [1, 2, 3, 5, 6, 7, 9, 10].into_iter().enumerate() {
        scene.story = format!("round {round}");
        // On WeChat Pay: Alipay keeps a date of its own, which cannot be moved to one that is long past.
        let pays = [4, 8, 12, 16][round % 4];
        // The run charges the earliest open term of everybody, this clerk takes cash for the same one, that one for the last.
        let [first, last] = ["min", "max"].map(|end| {
            let mine = format!("agreement_id = {pays} AND state = 'open' AND term <= {OVERDUE}");
            ask(&scene.shop, &format!("SELECT {end}(term) FROM installment WHERE {mine}"))
        });
        let lines = [
            "debit run".to_owned(),
            "debit run".to_owned(),
            format!("debit pay a-{pays}/{first} --cash --yes"),
            format!("debit pay a-{pays}/{last} --cash --yes"),
            format!("orders add c-{pays} STP-001 --counter --yes"),
            format!("agreement terminate a-{leaves} --cause consumer --pet kept --reason moved --yes"),
        ];
        let outputs = at_once(lines.iter().map(|line| scene.shop.command(line)).collect());
        for (line, output) in lines.iter().zip(&outputs) {
            let said = said(output);
            assert!(!said.contains("locked") && !said.contains("panicked"), "{line}: {said}");
            // Whoever takes cash for a term that is being debited is told to wait, and whoever saw another balance to look again.
            let may_refuse = line.contains(&format!("/{first} --cash"));
            match said.contains("have changed meanwhile; nothing was ordered") {
                true => drop(scene.shop.run(line).exits(0)),
                false => assert!(may_refuse || matches!(output.status.code(), Some(0 | 3)), "{line}: {said}"),
            }
        }
        scene.holds();
    }
    let count = |sql: &str| ask(&scene.shop, sql).parse::<u32>().unwrap();
    assert_eq!(count("SELECT count(*) FROM orders"), 8);
    assert_eq!(count("SELECT count(*) FROM statement"), 8);
    assert!(count("SELECT count(*) FROM charge WHERE kind = 'cash' AND state = 'paid'") >= 8);
    scene.finish();
}
