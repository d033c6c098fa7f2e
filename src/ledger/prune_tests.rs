//! Tests of what is thrown away and what stays.

use std::collections::BTreeSet;
use std::error::Error;

use proptest::prelude::*;
use rusqlite::params;

use super::*;
use crate::ledger::codec::full_scans;

type Done = Result<(), Box<dyn Error>>;

/// What is older is thrown away.
const CUTOFF: i64 = 10;

/// A run, by the number of its day.
#[derive(Debug, Clone, Copy)]
struct Run {
    day: i64,
    parent: Option<usize>,
    commit: Option<usize>,
}

/// A commit.
#[derive(Debug, Clone, Copy)]
struct Made {
    day: i64,
    state: &'static str,
    undoes: Option<usize>,
}

fn run(day: i64) -> Run {
    Run { day, parent: None, commit: None }
}

fn applied(day: i64) -> Made {
    Made { day, state: "APPLIED", undoes: None }
}

fn time(day: i64) -> Result<Timestamp, Box<dyn Error>> {
    Ok(Timestamp::from_millis(day * 24 * 60 * 60 * 1_000)?)
}

fn id(number: usize) -> String {
    format!("{number:08x}-0000-4000-8000-000000000000")
}

fn number(id: &str) -> usize {
    usize::from_str_radix(&id[..8], 16).unwrap_or(usize::MAX)
}

/// A ledger with these runs and commits; each run has limits of its own.
fn ledger(runs: &[Run], commits: &[Made]) -> Result<Ledger, Box<dyn Error>> {
    let ledger = Ledger::in_memory()?;
    for (at, Made { day, state, undoes }) in commits.iter().enumerate() {
        let time = time(*day)?;
        let numbered = !["HELD", "REJECTED", "EXPIRED"].contains(state);
        ledger.conn.execute(
            "INSERT INTO commits (id, kind, state, number, changes_json, undoes, created_at, expires_at, decided_by, decided_at, why)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7, ?8, iif(?8 IS NULL, NULL, ?7), ?9)",
            params![
                id(at),
                if undoes.is_some() { "UNDO" } else { "RUN" },
                state,
                numbered.then_some(at + 1),
                format!(r#"[{{"path":"a.md","before":null,"after":"{}","bytes":1}}]"#, digest(at, "commit")),
                undoes.map(id),
                time,
                (*state == "REJECTED").then_some("ada"),
                (*state == "REVERTED").then_some("something lay there"),
            ],
        )?;
    }
    for (at, Run { day, parent, commit }) in runs.iter().enumerate() {
        let limits = digest(at, "limits").to_string();
        ledger.conn.execute("INSERT INTO limit_sets VALUES (?1, '{}')", [&limits])?;
        ledger.conn.execute(
            "INSERT INTO executions (execution_id, v, parent_execution_id, purpose, door, asked_by, skill_name, revision,
                 source_hash, side_effect_class, limits_sha256, input_json, input_stored_json, output_json,
                 output_stored_json, success, clock, seed, effects_json, commit_id, started_at, finished_at)
             VALUES (?1, 2, ?2, 'RUN', 'cli', 'test', 'note', 1, ?3, 'FILE_WRITE', ?3, 'null', ?4, 'null', ?5, 1, ?6, ?3, ?7,
                 ?8, ?6, ?6)",
            params![
                id(at),
                parent.map(id),
                limits,
                format!(r#"{{"sha256":"{}","bytes":1}}"#, digest(at, "input")),
                format!(r#"{{"sha256":"{}","bytes":1}}"#, digest(at, "output")),
                time(*day)?,
                format!(r#"[{{"path":"a.md","sha256":"{}","bytes":1,"before":"{}"}}]"#, digest(at, "new"), digest(at, "old")),
                commit.map(id),
            ],
        )?;
    }
    Ok(ledger)
}

fn digest(number: usize, what: &str) -> Digest {
    Digest::of(format!("{what} {number}").as_bytes())
}

fn left(ledger: &Ledger, sql: &str) -> Result<Vec<usize>, LedgerError> {
    let mut statement = ledger.conn.prepare(sql)?;
    let found = statement.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
    Ok(found.iter().map(|id| number(id)).collect())
}

/// The runs and the commits that a prune leaves.
fn pruned(runs: &[Run], commits: &[Made]) -> Result<(Vec<usize>, Vec<usize>), Box<dyn Error>> {
    let ledger = ledger(runs, commits)?;
    let would = ledger.would_prune(time(CUTOFF)?)?;
    let done = ledger.prune(time(CUTOFF)?, Decided { by: "ada", at: time(20)? })?;
    assert_eq!(would, done);
    let executions = left(&ledger, "SELECT execution_id FROM executions ORDER BY rowid")?;
    let kept = left(&ledger, "SELECT id FROM commits ORDER BY id")?;
    assert_eq!(done.executions, (runs.len() - executions.len()) as u64);
    assert_eq!(done.commits, (commits.len() - kept.len()) as u64);
    let sets: u64 = ledger.conn.query_row("SELECT count(*) FROM limit_sets", [], |row| row.get(0))?;
    assert_eq!(sets, executions.len() as u64, "limits that nobody had stay for nobody");
    ledger.check_fully()?;
    let on: bool = ledger.conn.pragma_query_value(None, "foreign_keys", |row| row.get(0))?;
    assert!(on, "references are checked again");
    Ok((executions, kept))
}

#[test]
fn what_is_old_goes_and_who_did_it_is_on_record() -> Done {
    assert_eq!(pruned(&[run(1), run(9), run(10), run(12)], &[])?, (vec![2, 3], vec![]));
    let ledger = ledger(&[run(1), run(2), run(12)], &[])?;
    ledger.prune(time(CUTOFF)?, Decided { by: "ada", at: time(20)? })?;
    ledger.prune(time(CUTOFF)?, Decided { by: "bob", at: time(21)? })?;
    let row = "SELECT group_concat(number || ' ' || older_than || ' ' || executions || ' ' || commits || ' ' || pruned_by, ', ')
               FROM prunes";
    let said: String = ledger.conn.query_row(row, [], |row| row.get(0))?;
    assert_eq!(said, "1 1970-01-11T00:00:00.000Z 2 0 ada, 2 1970-01-11T00:00:00.000Z 0 0 bob");
    // A person who has no name decides nothing.
    assert!(ledger.prune(time(30)?, Decided { by: "", at: time(31)? }).is_err());
    assert_eq!(ledger.count_executions()?.0, 1);
    Ok(())
}

#[test]
fn it_goes_in_slices_between_which_others_write() -> Done {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("ledger.db");
    let many = SLICE as usize * 2 + 10;
    let small = ledger(&(0..many).map(|_| run(1)).chain([run(12)]).collect::<Vec<_>>(), &[])?;
    small.conn.execute("VACUUM INTO ?1", [path.to_string_lossy()])?;
    let pruning = Ledger::open(&path, crate::ledger::Create::Never)?;
    let other = Ledger::open(&path, crate::ledger::Create::Never)?;
    let (done, written) = std::thread::scope(|scope| {
        let done = scope.spawn(move || {
            let at = Timestamp::from_millis(0).map_err(|error| LedgerError::BadValue(error.to_string()))?;
            let older_than = at.after(Duration::from_hours(24 * CUTOFF.unsigned_abs()));
            pruning.prune(older_than, Decided { by: "ada", at })
        });
        // A switch turn for as long as it works: each of them has to get the lock.
        let mut written = 0_u64;
        while !done.is_finished() {
            let at = Timestamp::from_millis(0).map_err(|error| LedgerError::BadValue(error.to_string()))?;
            other.stop("bob", "in between", at)?;
            written += 1;
        }
        let done = done.join().unwrap_or(Err(LedgerError::NoWriter))?;
        Ok::<_, LedgerError>((done, written))
    })?;
    assert_eq!(done, Pruned { executions: many as u64, commits: 0 });
    assert!(written > 0);
    let stops: u64 = other.conn.query_row("SELECT count(*) - 1 FROM switch_turns", [], |row| row.get(0))?;
    assert_eq!(stops, written);
    let noted: u64 = other.conn.query_row("SELECT executions FROM prunes", [], |row| row.get(0))?;
    assert_eq!(noted, many as u64);
    other.check_fully()?;
    Ok(())
}

#[test]
fn what_comes_between_two_slices_keeps_what_it_follows_from() -> Done {
    let commit = |day| Run { commit: Some(0), ..run(day) };
    let child = |day, parent| Run { parent: Some(parent), ..run(day) };
    let ledger = ledger(&[commit(1), commit(2), child(3, 1), run(4), run(12)], &[applied(1), applied(12)])?;
    let decided = Decided { by: "ada", at: time(20)? };
    let prune = Prune { ledger: &ledger, older_than: time(CUTOFF)?, decided };
    let number = ledger.write(|tx| prune.note(tx))?;
    let scope = prune.scope()?;
    // A run that follows from the third one, which follows from a run of a commit of two.
    ledger.conn.execute(
        "INSERT INTO executions SELECT ?1, v, ?2, purpose, door, asked_by, skill_name, revision, source_hash, side_effect_class,
             engine, limits_sha256, input_json, input_stored_json, output_json, output_stored_json, success, error, clock, seed,
             effects_json, NULL, started_at, finished_at, second_wall, said_json, context_sha256 FROM executions WHERE execution_id = ?3",
        [id(9), id(2), id(4)],
    )?;
    assert_eq!(prune.take_executions(number, 0, &scope)?.0, 1);
    assert_eq!(prune.take_commits(number, 0, &scope)?.0, 0);
    assert_eq!(left(&ledger, "SELECT execution_id FROM executions ORDER BY rowid")?, [0, 1, 2, 4, 9]);
    ledger.check_fully()?;
    Ok(())
}

#[test]
fn what_nobody_decided_in_time_expires_by_a_prune_and_goes_with_the_next() -> Done {
    let held = Made { state: "HELD", ..applied(1) };
    let ledger = ledger(&[run(1), run(12)], &[held, applied(12)])?;
    let states = || left(&ledger, "SELECT id FROM commits WHERE state = 'EXPIRED'");
    ledger.would_prune(time(CUTOFF)?)?;
    assert_eq!(states()?, [0; 0], "looking decides nothing");
    ledger.prune(time(CUTOFF)?, Decided { by: "ada", at: time(20)? })?;
    assert_eq!(states()?, [0]);
    let again = ledger.prune(time(CUTOFF)?, Decided { by: "ada", at: time(20)? })?;
    assert_eq!(again, Pruned { executions: 0, commits: 1 });
    Ok(())
}

#[test]
fn what_newer_ones_follow_from_stays() -> Done {
    let child = |day, parent| Run { parent: Some(parent), ..run(day) };
    let runs = [run(1), child(2, 0), child(3, 0), child(12, 1), child(13, 99)];
    assert_eq!(pruned(&runs, &[])?.0, [0, 1, 3, 4]);
    // In a circle, too.
    assert_eq!(pruned(&[child(1, 1), child(2, 0), child(3, 2), child(12, 0)], &[])?.0, [0, 1, 3]);
    Ok(())
}

#[test]
fn the_last_numbers_stay_so_that_none_is_given_twice() -> Done {
    let with = |day, commit| Run { commit: Some(commit), ..run(day) };
    assert_eq!(pruned(&[with(1, 0), run(2)], &[applied(1)])?, (vec![1], vec![0]));
    assert_eq!(pruned(&[with(1, 0), with(2, 1), run(3)], &[applied(1), applied(2)])?, (vec![2], vec![1]));
    Ok(())
}

#[test]
fn what_is_not_settled_stays_with_all_it_belongs_to() -> Done {
    let with = |day, commit| Run { commit: Some(commit), ..run(day) };
    let of = |state| Made { state, ..applied(1) };
    let runs = [with(1, 0), with(1, 1), with(1, 2), with(2, 2), with(1, 3), run(12)];
    let commits = [of("PENDING"), of("HELD"), of("REVERTED"), of("EXPIRED"), applied(12)];
    assert_eq!(pruned(&runs, &commits)?, (vec![0, 1, 5], vec![0, 1, 4]));
    // Runs of one commit, before and after the day.
    let runs = [run(1), Run { parent: Some(0), ..with(9, 0) }, with(11, 0)];
    assert_eq!(pruned(&runs, &[applied(11)])?, (vec![0, 1, 2], vec![0]));
    Ok(())
}

#[test]
fn an_undo_and_what_it_took_back_go_together() -> Done {
    let with = |day, commit| Run { commit: Some(commit), ..run(day) };
    let undo = |day| Made { undoes: Some(0), ..applied(day) };
    let newest = applied(12);
    // The undo is new: the commit stays, the run need not.
    assert_eq!(pruned(&[with(1, 0), run(12)], &[applied(1), undo(11), newest])?, (vec![1], vec![0, 1, 2]));
    assert_eq!(pruned(&[with(1, 0), run(12)], &[applied(1), undo(2), newest])?, (vec![1], vec![2]));
    // The run stays: that it was undone must stay known.
    let runs = [with(1, 0), Run { parent: Some(0), ..run(12) }];
    assert_eq!(pruned(&runs, &[applied(1), undo(2), newest])?, (vec![0, 1], vec![0, 1, 2]));
    Ok(())
}

#[test]
fn files_and_values_of_what_stays_are_named() -> Done {
    let with = |day, commit| Run { commit: Some(commit), ..run(day) };
    let ledger = ledger(&[with(1, 0), with(12, 1)], &[applied(1), applied(12)])?;
    let named = |ledger: &Ledger| -> Result<_, LedgerError> {
        let (mut files, mut values) = (BTreeSet::new(), BTreeSet::new());
        ledger.kept_files(
            &mut |digest| {
                files.insert(digest);
            },
            &mut |digest| {
                values.insert(digest);
            },
        )?;
        Ok((files, values))
    };
    let set = |numbers: &[usize], whats: &[&str]| -> BTreeSet<Digest> {
        numbers.iter().flat_map(|number| whats.iter().map(|what| digest(*number, what))).collect()
    };
    let (files, values) = (["commit", "new", "old"], ["input", "output"]);
    assert_eq!(named(&ledger)?, (set(&[0, 1], &files), set(&[0, 1], &values)));
    ledger.prune(time(CUTOFF)?, Decided { by: "ada", at: time(20)? })?;
    assert_eq!(named(&ledger)?, (set(&[1], &files), set(&[1], &values)));
    ledger.conn.execute("UPDATE executions SET effects_json = '[{}]'", [])?;
    assert!(matches!(named(&ledger), Err(LedgerError::BadValue(_))), "what cannot be read might name anything");
    Ok(())
}

#[test]
fn nothing_is_looked_through_for_each_record() -> Done {
    let ledger = Ledger::in_memory()?;
    ledger.conn.execute_batch(TABLES)?;
    let count = format!("SELECT count(*) FROM executions AS e WHERE {OLD}");
    // Commits that are not settled are few; all of the others are found by an index.
    let scans = full_scans(&ledger.conn, NEEDED_EXECUTIONS)?;
    assert!(scans.iter().all(|scan| scan == "SCAN needed" || scan == "SCAN c"), "{scans:?}");
    assert_eq!(full_scans(&ledger.conn, &count)?, [""; 0]);
    // A commit has no time to be found by: once through all of them.
    let scans = full_scans(&ledger.conn, NEEDED_COMMITS)?;
    assert!(scans.iter().all(|scan| scan == "SCAN c"), "{scans:?}");
    Ok(())
}

const STATES: [&str; 6] = ["APPLIED", "APPLIED", "PENDING", "HELD", "REVERTED", "EXPIRED"];

/// What must stay, thought out once more in another way.
fn must_stay(runs: &[Run], commits: &[Made]) -> (Vec<usize>, Vec<usize>) {
    let open = |commit: &Made| ["PENDING", "HELD"].contains(&commit.state);
    let kept = |at: usize, run: &Run| {
        run.day >= CUTOFF || at + 1 == runs.len() || run.commit.is_some_and(|commit| open(&commits[commit]))
    };
    let mut stay: BTreeSet<usize> =
        runs.iter().enumerate().filter(|(at, run)| kept(*at, run)).map(|(at, _)| at).collect();
    loop {
        let more = |(at, run): (usize, &Run)| {
            let same = |other: &usize| run.commit.is_some() && runs[*other].commit == run.commit;
            let below = |other: &usize| runs[*other].parent == Some(at);
            stay.iter().any(|other| same(other) || below(other)).then_some(at)
        };
        let more: BTreeSet<usize> = runs.iter().enumerate().filter_map(more).collect();
        if more.is_subset(&stay) {
            break;
        }
        stay.extend(more);
    }
    let numbered = |commit: &Made| !["HELD", "EXPIRED"].contains(&commit.state);
    let last = commits.iter().rposition(numbered);
    let own = |at: usize, commit: &Made| {
        open(commit) || commit.day >= CUTOFF || last == Some(at) || stay.iter().any(|run| runs[*run].commit == Some(at))
    };
    let mut kept: BTreeSet<usize> =
        commits.iter().enumerate().filter(|(at, commit)| own(*at, commit)).map(|(at, _)| at).collect();
    let undone: Vec<usize> = kept.iter().filter_map(|at| commits[*at].undoes).collect();
    kept.extend(undone);
    let undos = commits.iter().enumerate().filter(|(_, undo)| undo.undoes.is_some_and(|at| kept.contains(&at)));
    let undos: Vec<usize> = undos.map(|(at, _)| at).collect();
    kept.extend(undos);
    (stay.into_iter().collect(), kept.into_iter().collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn exactly_what_must_stay_stays(
        runs in prop::collection::vec((0..20_i64, prop::option::weighted(0.5, 0..14_usize), prop::option::weighted(0.6, 0..6_usize)), 0..14),
        states in prop::collection::vec((0..20_i64, prop::sample::select(&STATES[..]), prop::option::weighted(0.4, 0..20_i64)), 6),
    ) {
        let mut commits: Vec<Made> = states.iter().map(|(day, state, _)| Made { day: *day, state, undoes: None }).collect();
        let undos = states.iter().enumerate().filter_map(|(at, (_, _, undo))| Some((at, (*undo)?)));
        commits.extend(undos.map(|(at, day)| Made { undoes: Some(at), ..applied(day) }));
        let runs: Vec<Run> = runs.into_iter().map(|(day, parent, commit)| Run { day, parent, commit }).collect();
        let found = pruned(&runs, &commits).map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(found, must_stay(&runs, &commits));
    }
}
