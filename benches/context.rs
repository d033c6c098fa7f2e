//! What it costs to ask who an agent is and what it may do: `cargo bench --bench context`.
//!
//! One ledger with a charter, 26 policy values and 24 grants. A decision over what was read already, the same with the change
//! counter and the kill switch read anew, and with all three reads done anew. A `SELECT 1` of the same ledger beside them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod support;

use std::hint::black_box;

use kavi::context::reader::{ContextReader, ContextView};
use kavi::ledger::{Create, Decided, Ledger, NewCharter, NewGrant};
use kavi::model::{
    channel::{Caller, Channel},
    effect::EffectClass,
    time::{Clock as _, SystemClock},
};
use kavi::policy::access::{AccessQuestion, SkillQuestion};
use kavi::policy::actor_capability::ActorCapability;
use kavi::policy::channels::ChannelPolicy;
use kavi::policy::charter::RoleCharter;
use kavi::policy::matrix::Actor;
use kavi::policy::registry;
use support::{Bar, Contender};

const ROUNDS: usize = 30;
const WARM_UP: usize = 3;
/// Decisions of one round, and reads of one round: those take longer.
const DECISIONS: usize = 20_000;
const READS: usize = 500;
const COLD: usize = 100;

/// The bars of the reference, in seconds.
const WARM_DECISION: f64 = 1e-6;
const COLD_DECISION: f64 = 2e-3;

fn ledger(folder: &std::path::Path) -> Ledger {
    let ledger = Ledger::open(&folder.join("ledger.db"), Create::IfMissing).unwrap();
    let decided = Decided { by: "ada", at: SystemClock.now() };
    let text =
        "## identity\nYou keep the notes.\n\n## authority_can_do\n- read notes\n\n## authority_cannot_do\n- promote\n";
    let charter = RoleCharter::parse(text.as_bytes()).unwrap();
    let sections = charter.sections_json();
    let new = NewCharter { content_md: text, content_sha256: charter.content_sha256, sections_json: &sections };
    ledger.set_charter(&new, decided).unwrap();
    let keys = registry::expected_keys().into_iter().filter_map(|name| {
        let default = registry::key(&name)?.default?;
        Some((name, Some(default.to_string())))
    });
    ledger.set_policy(&keys.collect::<Vec<_>>(), decided).unwrap();
    for capability in ActorCapability::ALL.into_iter().take(24) {
        let grant = NewGrant { actor: "agent", capability: capability.as_str(), granted: true };
        ledger.set_grant(&grant, decided).unwrap();
    }
    ledger
}

fn decide(view: &ContextView, channels: &ChannelPolicy, actor: &Actor) {
    let skill = Some(SkillQuestion { class: EffectClass::FileWrite, capabilities: None, gets_private_data: false });
    let question = AccessQuestion { actor, capability: ActorCapability::RunSkill, channel: Channel::Mcp, skill };
    black_box(view.check(channels, black_box(&question))).unwrap();
}

fn main() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let (ledger, reader, channels) = (ledger(folder.path()), ContextReader::new(false, None), ChannelPolicy::default());
    let actor = Actor::of(&Caller { channel: Channel::Mcp, name: "kora".to_owned() });
    let view = reader.read(&ledger, SystemClock.moment());
    let rounds = support::rounds(ROUNDS);
    support::print_machine();
    let series = support::measure(
        WARM_UP,
        rounds,
        vec![
            Contender::new("decide", |_| (0..DECISIONS).for_each(|_| decide(&view, &channels, &actor))),
            Contender::new("read warm and decide", |_| {
                (0..READS).for_each(|_| decide(&reader.read(&ledger, SystemClock.moment()), &channels, &actor));
            }),
            Contender::new("read cold and decide", |_| {
                for _ in 0..COLD {
                    reader.invalidate();
                    decide(&reader.read(&ledger, SystemClock.moment()), &channels, &actor);
                }
            }),
            Contender::new("read the kill switch alone", |_| {
                (0..READS).for_each(|_| {
                    black_box(ledger.governance_mark().unwrap());
                });
            }),
        ],
    );
    for (series, each) in series.iter().zip([DECISIONS, READS, COLD, READS]) {
        support::print_times(
            &format!("{} ({rounds} rounds of {each})", series.name),
            each as f64,
            std::slice::from_ref(series),
        );
    }
    println!("\nratios (median of the rounds' ratios, p10 to p90)");
    let each = |index: usize, count: usize| series[index].spread().divided_by(count as f64);
    support::print_ratio(
        "a warm decision, in bars of 1 µs",
        each(0, DECISIONS).divided_by(WARM_DECISION),
        Bar::AtMost(1.0),
    );
    support::print_ratio("a cold one, in bars of 2 ms", each(2, COLD).divided_by(COLD_DECISION), Bar::AtMost(1.0));
    let per_read = series[1].times_of(&series[3]);
    support::print_ratio("a warm read and decision, in times of the kill switch alone", per_read, Bar::AtMost(1.5));
}
