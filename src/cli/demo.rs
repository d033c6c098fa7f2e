//! `kavi demo`

use std::path::PathBuf;

use serde_json::{Value, json};

use super::out::Out;
use super::progress::{Spinner, Stages};
use super::throwaway::ThrowawayWorkspace;
use super::{Context, JsonFlag, views};
use crate::app::{App, Approver, Builder, Consent, Disposition, InitRequest, Proposal, ProposalRequest, Reuse};
use crate::error::{Error, Kind};
use crate::model::{lifecycle::Verdict, limits::Narrowed, name::SkillName};

/// Show the whole way of a skill in a throwaway workspace: propose, build, verify, promote, run, and a refusal.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  kavi demo\n  kavi demo --keep /tmp/kavi-demo")]
pub struct Args {
    /// Make the workspace here and leave it there.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    #[command(flatten)]
    pub json: JsonFlag,
}

pub fn run(context: Context, args: &Args) -> Result<(), Error> {
    let out = context.out;
    match &args.keep {
        Some(keep) => {
            let root = context.host.cwd.join(keep);
            // The demo changes a stored component on purpose. That must never happen in a person's workspace.
            if root.join("kavi.toml").exists() {
                let root = root.display();
                return Err(Error::Refused(format!("{root} is a workspace already: name a new folder for the demo")));
            }
            App::init(&context.host, &InitRequest { folder: &root, vault: None, signed: false })?;
            let app = App::open(context.host, Some(&root), context.walls)?;
            Demo { out: &out, app: &app }.show()
        }
        None => {
            let workspace = ThrowawayWorkspace::new("kavi-demo-", context.host, context.walls)?;
            Demo { out: &out, app: &workspace.app }.show()
        }
    }
}

struct Demo<'a> {
    out: &'a Out,
    app: &'a App,
}

impl Demo<'_> {
    fn heading(&self, text: &str) {
        self.out.say(&format!("\n== {text}"));
    }

    fn show(&self) -> Result<(), Error> {
        self.out.say(&format!("== a throwaway workspace: {}", self.app.layout().root.display()));
        let proposal = self.propose()?;
        self.build(&proposal)?;
        let gates = self.verify(&proposal)?;
        let trusted = self.promote(&proposal)?;
        let (record, note) = self.run_it()?;
        let refusal = self.tamper(&trusted)?;
        let document = json!({
            "proposal": views::proposal(&trusted),
            "gates": gates,
            "run": record,
            "note": note,
            "refusal": refusal,
        });
        self.out.result("\nThat was all of it. Make a workspace of your own with `kavi init`.", &document);
        Ok(())
    }

    fn propose(&self) -> Result<Proposal, Error> {
        self.heading("propose: what the skill is to be");
        let spec = self.app.proposals().parse_spec(&ProposalRequest {
            name: "write_note".to_owned(),
            description: "Writes a markdown note into the vault's inbox.".to_owned(),
            side_effect: "FILE_WRITE".to_owned(),
            io_schema:
                r#"{"input":{"path":"str","title":"str","body":"str"},"output":{"written_path":"str","sha256":"str"}}"#
                    .to_owned(),
            paths: vec!["Inbox/AI".to_owned()],
            ..ProposalRequest::default()
        })?;
        let proposal = self.app.proposals().propose(&spec)?;
        self.out
            .remark(&format!("{} {} {}, may write below Inbox/AI/", proposal.id, spec.name, spec.side_effect_class));
        Ok(proposal)
    }

    fn build(&self, proposal: &Proposal) -> Result<(), Error> {
        self.heading("build: the bundled source, through the gate over its folder, into one snapshot");
        let io = |source| Error::Io { what: "a temporary folder".to_owned(), source };
        let scratch = tempfile::Builder::new().prefix("kavi-demo-").tempdir().map_err(io)?;
        let crate_folder = scratch.path().join("write_note");
        App::write_bundled_skill(&crate_folder)?;
        let attempt = self.app.attempts().build(proposal, &Builder::Import(crate_folder), None)?;
        let Some(snapshot) = attempt.build.snapshot_sha256 else {
            return Err(Error::Refused(attempt.build.summary));
        };
        self.out.say(&format!("{}; snapshot {snapshot}", attempt.build.summary));
        Ok(())
    }

    fn verify(&self, proposal: &Proposal) -> Result<Value, Error> {
        self.heading("verify: every gate");
        let spinner = Spinner::new(self.out, Stages::Hidden);
        let toolchain = self.app.attempts().toolchain()?;
        let built = self.app.proposals().find(&proposal.id.to_string())?;
        let verified = self.app.attempts().verify(&built, &toolchain, Reuse::Allowed)?;
        drop(spinner);
        let verification = &verified.verification;
        self.out.say(views::gates(&verification.gates).trim_end());
        self.out.say(&format!("tools ran in: {}", verification.confinement));
        if verification.status != Verdict::Passed {
            return Err(Error::Verification {
                message: "the bundled skill does not pass".to_owned(),
                hint: "this is a bug of kavi's or of the toolchain: please report the findings above".to_owned(),
            });
        }
        Ok(json!(verification.gates))
    }

    fn promote(&self, proposal: &Proposal) -> Result<Proposal, Error> {
        self.heading("promote: a person trusts the exact bytes");
        let report = self.app.trust().report(self.app.proposals().find(&proposal.id.to_string())?)?;
        let trusted = self.app.trust().promote(&report, &Narrowed::default(), &Approver::parse("kavi demo")?)?;
        self.out.say(&format!("{} is TRUSTED as sha256 {}", trusted.spec.name, report.component_sha256));
        Ok(trusted)
    }

    fn run_it(&self) -> Result<(Value, String), Error> {
        self.heading("run: only what its class grants; its files reach the vault with its record, or not at all");
        let input =
            json!({ "path": "Inbox/AI/hello.md", "title": "Hello from Kavi", "body": "Written by a component." });
        let name = skill_name()?;
        let ran = self.app.runs().run(name, input.to_string().into_bytes(), Disposition::Commit, Consent::None)?;
        let output = ran.record.output_json.clone().unwrap_or_default();
        self.out.say(&format!("output {output}"));
        let path = self.app.layout().vault.join("Inbox/AI/hello.md");
        let what = path.display().to_string();
        let note = std::fs::read_to_string(&path).map_err(|source| Error::Io { what, source })?;
        self.out.say(&format!("vault_out/Inbox/AI/hello.md:\n{}", indent(&note)));
        Ok((json!(ran.record), note))
    }

    /// Flips one bit of the stored component and tries to run it.
    fn tamper(&self, trusted: &Proposal) -> Result<Value, Error> {
        self.heading("tamper: one bit of the component changes on disk");
        let path = self.app.trust().component_path(trusted);
        let io = |source| Error::Io { what: "the stored component".to_owned(), source };
        let path = path.ok_or_else(|| Error::Refused("nothing was promoted".to_owned()))?;
        let mut bytes = std::fs::read(&path).map_err(io)?;
        if let Some(byte) = bytes.last_mut() {
            // One bit is the smallest change that there is, and only the digest can find it.
            *byte ^= 1;
        }
        std::fs::write(&path, bytes).map_err(io)?;
        let input = b"{\"path\":\"Inbox/AI/x.md\",\"title\":\"x\",\"body\":\"x\"}";
        match self.app.runs().run(skill_name()?, input.to_vec(), Disposition::Commit, Consent::None) {
            // Any other failure would show nothing about the check of the bytes.
            Err(error) if error.kind() == Kind::Refused => {
                self.out.say(&format!("refused, exit code {}: {error}", error.kind().exit_code()));
                Ok(json!({ "exit_code": error.kind().exit_code(), "message": error.to_string() }))
            }
            Err(error) => Err(error),
            Ok(_) => Err(Error::Refused("a tampered component ran: this must never happen".to_owned())),
        }
    }
}

fn skill_name() -> Result<SkillName, Error> {
    SkillName::parse("write_note").map_err(|error| Error::Usage(error.to_string()))
}

fn indent(text: &str) -> String {
    text.lines().map(|line| format!("    {line}\n")).collect::<String>().trim_end().to_owned()
}
