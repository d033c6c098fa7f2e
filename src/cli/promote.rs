//! `kavi promote-skill`

use clap_complete::engine::ArgValueCompleter;
use serde_json::json;

use super::approval::{Approval, DecisionContext};
use super::out::{Judgement, Out, Seen};
use super::sources::{self, Detail};
use super::{Context, JsonFlag, capabilities, imports, linked_folders, views};
use crate::app::{LinkedFolders, PromotionReport, ProposalOrigin, Remark};
use crate::error::Error;
use crate::model::{capabilities::SkillCapabilities, lifecycle::BuilderKind, limits::Narrowed, text};

/// Trust the exact bytes that passed verification. Shows them and asks first.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kavi promote-skill write_note --approved-by 'Ada Lovelace'
  kavi promote-skill 67e55044 --approved-by ada --yes --json
  kavi promote-skill write_note --approved-by ada \\
      --limit wall_ms=500 --limit staged_files=1")]
pub struct Args {
    /// The proposal: its id, a unique prefix of it, or the name of a skill with one open proposal.
    #[arg(add = ArgValueCompleter::new(super::completions::skills))]
    id: String,
    /// Fix a limit for this revision, below that of kavi.toml. May be given several times.
    #[arg(long, value_name = "NAME=VALUE")]
    limit: Vec<String>,
    #[command(flatten)]
    approval: Approval,
    #[command(flatten)]
    pub json: JsonFlag,
}

pub fn run(context: Context, args: &Args) -> Result<(), Error> {
    let DecisionContext { app, out, approver } = args.approval.open(context)?;
    let report = app.trust().report(app.proposals().find_open(&args.id)?)?;
    // Before the question, which shows them: the person agrees to these limits too.
    let limits = app.trust().narrow(&args.limit)?;
    let shown = describe(&report, &limits, app.linked_folders());
    if !args.approval.yes {
        let id = report.proposal.id.short();
        out.person_or(&format!("look at `kavi show {id}` and `kavi diff {id}`, then give --yes"))?;
        ask(&out, &report, &shown)?;
    }
    // The report that was shown goes in. The ledger refuses if anything has changed since.
    let promoted = app.trust().promote(&report, &limits, &approver)?;
    let revision = promoted.trust.map(|trust| trust.revision).unwrap_or_default();
    let name = &promoted.spec.name;
    let mut human = if args.approval.yes { shown } else { String::new() };
    human.push_str(&format!(
        "{name} revision {revision} is TRUSTED\nnext: kavi run-skill {name} --json '{}'\n",
        promoted.spec.example_input()
    ));
    let mut machine = views::proposal(&promoted);
    machine["trusted"] = document(&report);
    machine["trusted"]["linked_folders"] = linked_folders::document(app.linked_folders());
    machine["trusted"]["narrowed_limits"] = json!(limits);
    machine["approved_by"] = json!(approver.as_str());
    out.result(&human, &machine);
    Ok(())
}

/// Shows what would be trusted, source included, and asks about each answer and then about the whole.
fn ask(out: &Out, report: &PromotionReport, shown: &str) -> Result<(), Error> {
    let sources = sources::human(&report.sources, Detail::Diff);
    let seen = out.paged(&format!("{shown}\n{sources}"));
    for answer in report.answers() {
        match out.judged(&format!("Is this right? {}", text::line(answer, 900)))? {
            Judgement::Right | Judgement::Skipped => {}
            Judgement::Wrong => {
                let id = report.proposal.id.short();
                return Err(Error::Refused(format!(
                    "not promoted: an answer is wrong; build it again with an example that says so, or reject it with \
                     `kavi reject {id} --why TEXT`"
                )));
            }
        }
    }
    let question = match seen {
        Seen::Whole => "Trust exactly this?",
        Seen::Part => "NOT all of the source was shown. Trust it all the same?",
    };
    out.agreed(question, "not promoted")
}

/// Who proposed it and who built it. What an agent says of itself was checked by nobody.
fn origin(report: &PromotionReport) -> Vec<(&'static str, String)> {
    let build = &report.build;
    let by = match build.builder {
        BuilderKind::Claude => "Claude Code",
        BuilderKind::Import => "imported from a folder",
    };
    let mut rows = Vec::new();
    match &report.source {
        Some(source) => {
            let by = text::line(&source.by, 100);
            rows.push(("proposed by", format!("{by} through {} (unverified)", source.channel)));
            rows.push(("why", format!("{} (unverified)", text::line(&source.why, 700))));
        }
        None => rows.push(("proposed by", "a person at the command line".to_owned())),
    }
    rows.extend(report.origin.as_ref().map(|origin| ("came from", bundle_line(report, origin))));
    if report.times > 1 {
        rows.push(("proposed", format!("{} times", report.times)));
    }
    rows.push(("built by", format!("{by}, attempt {}", build.attempt_number)));
    rows
}

/// What was promoted elsewhere, and whether it is the same.
fn bundle_line(report: &PromotionReport, origin: &ProposalOrigin) -> String {
    let word = |same: bool| if same { "the same as there" } else { "NOT the one from there" };
    let source = word(origin.source_sha256 == report.verification.snapshot_sha256);
    let component = word(origin.component_sha256 == report.component_sha256);
    let by = views::promoted_there(origin);
    format!("a bundle of {by}; source {source}, component {component}; this is evidence, and no trust")
}

pub(super) fn describe(report: &PromotionReport, limits: &Narrowed, linked: &LinkedFolders) -> String {
    let spec = &report.proposal.spec;
    let gates = report.gates().iter().map(|gate| format!("{} {}", gate.gate, gate.status));
    let mut rows = vec![
        ("skill", spec.name.to_string()),
        ("what it does", text::line(&spec.description, 400)),
        ("class", spec.side_effect_class.to_string()),
        ("may touch", capabilities::sentence(spec)),
        ("may write below", views::list(spec.paths.iter().map(|path| format!("{path}/")))),
        ("secrets", views::list(spec.required_secrets.iter().cloned())),
        ("source", source_counts(report)),
        ("gates", views::list(gates)),
        ("confinement", report.verification.confinement.clone()),
        ("component", format!("sha256 {}, {} bytes", report.component_sha256, report.component_bytes)),
    ];
    rows.splice(2..2, origin(report));
    rows.extend(capabilities::warning(spec).map(|warning| ("way out", warning)));
    rows.extend(imports::lines(&report.imports, spec).into_iter().map(|line| ("import", line)));
    rows.extend(report.unused.iter().map(|unused| ("not used", unused.clone())));
    if SkillCapabilities::of(spec).reads_vault() {
        rows.extend(linked_folders::rows(linked));
    }
    if spec.reads_clock {
        rows.push(("clock", "asks what time it is".to_owned()));
    }
    if spec.removes_files {
        rows.push(("removals", views::REMOVES.to_owned()));
    }
    if spec.coerce {
        rows.push(("arguments", views::COERCES.to_owned()));
    }
    let answers = report.answers().map(|answer| ("is this right?", text::line(answer, 700)));
    rows.extend(answers);
    rows.extend(report.replayed().map(|said| ("recorded runs", text::line(said, 300))));
    rows.extend(report.remarks.iter().map(|remark| (label(&remark.finding.rule), shown(remark))));
    if !limits.is_empty() {
        rows.push(("narrowed limits", views::list(limits.entries().map(|(name, value)| format!("{name} {value}")))));
    }
    if let Some(replaces) = &report.replaces {
        let revision = replaces.trust.map(|trust| trust.revision).unwrap_or_default();
        rows.push(("replaces", format!("revision {revision}")));
        let none = report.changes.is_empty().then(|| "the specification is the same".to_owned());
        rows.extend(none.iter().chain(&report.changes).map(|change| ("difference", change.clone())));
    }
    views::facts(&rows)
}

/// How long the sources are, and how to read them.
fn source_counts(report: &PromotionReport) -> String {
    let id = report.proposal.id.short();
    let files = if report.source_files == 1 { "file" } else { "files" };
    let counted = format!("{} lines in {} {files}", report.source_lines, report.source_files);
    match &report.sources.against {
        Some(diff) => format!("{counted}, {} added, {} removed: kavi diff {id}", diff.added, diff.removed),
        None => format!("{counted}: kavi show {id} --source"),
    }
}

/// What a remark is about, in words.
fn label(rule: &str) -> &'static str {
    match rule.split('/').next() {
        _ if rule == "mutation/survivor" => "no test notices",
        _ if rule == "mutation/request" => "not asked for by any check",
        _ if rule == "mutation/text" || rule == "coverage/value" => "not varied by any check",
        Some("coverage") => "not reached by any check",
        Some("replay") => "recorded run",
        _ => "remark",
    }
}

/// A remark with its place and the text of its line.
fn shown(remark: &Remark) -> String {
    let finding = &remark.finding;
    let place = match (&finding.file, finding.line, &finding.test) {
        (Some(file), Some(line), _) => format!("{file}:{line}: "),
        (_, _, Some(test)) => format!("{test}: "),
        _ => String::new(),
    };
    let message = finding.message.trim_start_matches("no test and no example notices that ");
    let source = remark.source.as_ref().map(|source| format!(" | {source}")).unwrap_or_default();
    text::line(&format!("{place}{message}{source}"), 700)
}

pub(super) fn document(report: &PromotionReport) -> serde_json::Value {
    let spec = &report.proposal.spec;
    let mut document = json!({
        "side_effect_class": spec.side_effect_class,
        "paths": spec.paths,
        "capabilities": capabilities::document(spec),
        "required_secrets": spec.required_secrets,
        "reads_clock": spec.reads_clock,
        "coerce": spec.coerce,
        "removes_files": spec.removes_files,
        "imports": report.imports,
        "import_groups": imports::lines(&report.imports, spec),
        "not_used": report.unused,
        "asker": views::asker(report.source.as_ref()),
        "times": report.times,
        "builder": report.build.builder,
        "attempt_number": report.build.attempt_number,
        "sources": sources::machine(&report.sources),
        "source_lines": report.source_lines,
        "source_files": report.source_files,
        "gates": report.gates(),
        "confinement": report.verification.confinement,
        "component_sha256": report.component_sha256,
        "component_bytes": report.component_bytes,
        "answers": report.answers().collect::<Vec<_>>(),
        "replayed": report.replayed(),
        "remarks": report.remarks,
        "replaces": report.replaces.as_ref().map(views::proposal),
        "differences": report.changes,
    });
    if let Some(origin) = &report.origin {
        document["origin"] = json!(origin);
    }
    document
}
