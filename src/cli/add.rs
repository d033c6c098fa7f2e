//! `kavi add`

use serde_json::{Value, json};

use super::approval::{Approval, DecisionContext};
use super::progress::{Spinner, Stages};
use super::{Context, JsonFlag, promote, views};
use crate::app::{App, BundledStatus, HostChoice, PromotionReport};
use crate::error::Error;
use crate::model::host_grants::PrivateHost;
use crate::model::host_rule::HostRule;
use crate::model::limits::Narrowed;
use crate::model::text;

/// Bring skills that come with Kavi through every gate, and ask once whether to trust them.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kavi add --list
  kavi add search_notes read_note
  kavi add http_get_json --host 'GET https://api.example.com/v1/**'
  kavi add --all --approved-by 'Ada Lovelace'")]
pub struct Args {
    /// The skills; `--list` shows them.
    #[arg(required_unless_present_any = ["all", "list"], value_name = "NAME")]
    names: Vec<String>,
    /// All of them.
    #[arg(long, conflicts_with_all = ["names", "list"])]
    all: bool,
    /// For a skill that reaches no host by itself: a host that it may reach, as in `propose-skill`; may be given several times.
    #[arg(long = "host", value_name = "RULE", conflicts_with_all = ["all", "list"])]
    hosts: Vec<HostRule>,
    /// A host of a rule that may have a private address, and that address: `localhost:8443 -> 127.0.0.1`.
    #[arg(long, value_name = "HOST:PORT -> ADDRESS", requires = "hosts")]
    allow_private: Vec<PrivateHost>,
    /// Show which skills there are, and add none.
    #[arg(long, conflicts_with = "names")]
    list: bool,
    #[command(flatten)]
    approval: Approval,
    #[command(flatten)]
    pub json: JsonFlag,
}

pub fn run(context: Context, args: &Args) -> Result<(), Error> {
    if args.list {
        return list(context);
    }
    let DecisionContext { app, out, approver } = args.approval.open(context)?;
    let wanted = wanted(&app, args)?;
    let (already, missing): (Vec<_>, Vec<_>) = wanted.into_iter().partition(|skill| skill.is_trusted);
    if !args.approval.yes && !missing.is_empty() {
        // Before the work: without a person there is nobody to ask after it.
        out.person_or("look at `kavi add --list`, then give --yes")?;
    }
    let spinner = Spinner::new(&out, Stages::Shown);
    let reports = prepare(&app, &missing, &choice(args))?;
    drop(spinner);
    let shown: Vec<String> =
        reports.iter().map(|report| promote::describe(report, &Narrowed::default(), app.linked_folders())).collect();
    let shown = shown.join("\n");
    if !args.approval.yes && !reports.is_empty() {
        out.remark(&shown);
        out.agreed(&format!("Trust exactly these {} skills?", reports.len()), "not promoted")?;
    }
    let mut human = if args.approval.yes { shown } else { String::new() };
    let mut added = Vec::new();
    // One decision about all of them: nobody is left with half of what they agreed to.
    for (report, promoted) in reports.iter().zip(app.trust().promote_all(&reports, &approver)?) {
        let revision = promoted.trust.map(|trust| trust.revision).unwrap_or_default();
        human.push_str(&format!("{} revision {revision} is TRUSTED\n", promoted.spec.name));
        let mut machine = views::proposal(&promoted);
        machine["trusted"] = promote::document(report);
        added.push(machine);
    }
    let names: Vec<String> = already.iter().map(|skill| skill.spec.name.to_string()).collect();
    if !names.is_empty() {
        human.push_str(&format!("trusted already: {}\n", names.join(", ")));
    }
    out.result(&human, &json!({ "added": added, "trusted_already": names, "approved_by": approver.as_str() }));
    Ok(())
}

fn wanted(app: &App, args: &Args) -> Result<Vec<BundledStatus>, Error> {
    if args.all {
        // One that needs a host is added by itself: no choice of hosts is right for all.
        let all = app.bundled().all()?;
        return Ok(all.into_iter().filter(|skill| !skill.needs_hosts).collect());
    }
    let mut names: Vec<&String> = args.names.iter().collect();
    names.sort_unstable();
    names.dedup();
    let hosts = choice(args);
    names.into_iter().map(|name| app.bundled().find(name, &hosts)).collect()
}

fn choice(args: &Args) -> HostChoice {
    HostChoice { rules: args.hosts.clone(), private: args.allow_private.clone() }
}

/// Brings each up to the question. Nothing is promoted here: what fails, fails before the person is asked.
fn prepare(app: &App, skills: &[BundledStatus], hosts: &HostChoice) -> Result<Vec<PromotionReport>, Error> {
    if skills.is_empty() {
        return Ok(Vec::new());
    }
    let toolchain = app.attempts().toolchain()?;
    let mut reports = Vec::new();
    for skill in skills {
        let name = skill.spec.name.as_str();
        let proposal = app.bundled().prepare(name, hosts, &toolchain)?;
        let report = app.trust().report(proposal)?;
        // One question for several skills is for those that may do no more than before.
        if let Some(gain) = report.changes.iter().find(|change| change.starts_with("gains ")) {
            return Err(Error::Refused(format!(
                "{name} {gain}: a skill that may do more is promoted by itself, with `kavi promote-skill {name}`"
            )));
        }
        reports.push(report);
    }
    Ok(reports)
}

fn list(context: Context) -> Result<(), Error> {
    let (app, out) = context.open()?;
    let skills = app.bundled().all()?;
    let state = |skill: &BundledStatus| match (skill.is_trusted, skill.is_other) {
        (true, _) => "trusted",
        (_, true) => "another revision is trusted",
        _ => "not added",
    };
    let mut human = String::new();
    for skill in &skills {
        let (name, class) = (&skill.spec.name, skill.spec.side_effect_class);
        let what = text::line(&skill.spec.description, 400);
        let host = if skill.needs_hosts { "\n  name its hosts with --host" } else { "" };
        human.push_str(&format!("{name} ({class}, {})\n  {what}{host}\n", state(skill)));
    }
    human.push_str("next: kavi add NAME…, or kavi add --all\n");
    let machine: Vec<Value> = skills
        .iter()
        .map(|skill| {
            json!({
                "name": skill.spec.name,
                "description": skill.spec.description,
                "side_effect_class": skill.spec.side_effect_class,
                "paths": skill.spec.paths,
                "needs_host": skill.needs_hosts,
                "status": state(skill),
            })
        })
        .collect();
    out.result(&human, &json!(machine));
    Ok(())
}
