//! A golden case from one real run: its input, the exchanges and signatures that it made, and what it gave.
//!
//! Guarantees: a case has what the guest said and got, so no value of a secret: the broker puts that in later, and ends a run
//! that gets one back. Nothing of the run is committed.
//!
//! Deliberately never: asks a person, takes a file of the vault into a case, or writes one.

use super::open_workspace::OpenWorkspace;
use super::records::RecordService;
use super::runs::RunService;
use crate::artifacts::StoredKind;
use crate::egress::authorize;
use crate::error::Error;
use crate::invoke::{Consent, Disposition, InvokeError};
use crate::ledger::LedgerError;
use crate::model::{
    capabilities::SkillCapabilities,
    example::{Example, ExampleExchange, ExampleSignature, Expectation},
    exchange::{ExchangeRecord, RecordedEnd, StoredBody},
    id::ExecutionId,
    name::SkillName,
    signing::SignatureRecord,
    spec::SkillSpec,
};
use crate::policy::scan;

/// A case, and what a person should know of it.
#[derive(Debug)]
pub struct RecordedCase {
    /// The run that it was made from.
    pub run: ExecutionId,
    /// The case.
    pub case: Example,
    /// Whether the run could read the vault. Its files are not in the case.
    pub read_vault: bool,
    /// What in it looks like a secret.
    pub looks_like: Option<&'static str>,
}

impl RunService<'_> {
    /// The specification of a trusted skill that makes requests.
    ///
    /// # Errors
    /// When there is none of this name, or it reaches no host.
    pub fn recordable(&self, name: &SkillName) -> Result<SkillSpec, Error> {
        let trusted = self.workspace.ledger.trusted(name)?;
        let missing = || LedgerError::NotFound { what: "trusted skill", key: name.to_string() };
        let spec = trusted.ok_or_else(missing)?.spec;
        if spec.hosts.is_empty() {
            return Err(Error::Refused(format!("`{name}` reaches no host, so it makes no exchange to record")));
        }
        Ok(spec)
    }

    /// Runs a trusted skill once, with the real hosts, and makes a case of it. A person has agreed to the run.
    ///
    /// # Errors
    /// When it did not run to an output or to an error of the skill, made no request, or got a response that is no text.
    pub fn record_case(&self, spec: &SkillSpec, input: Vec<u8>, case: &str) -> Result<RecordedCase, Error> {
        let consumed = self.consume(spec.name.clone(), input, Disposition::Show, Consent::Given)?;
        let expect = match consumed.ran {
            Ok(ran) => Expectation::Ok(ran.output),
            Err(Error::Run { source, run }) => match *source {
                InvokeError::SkillComponent { kind, .. } => Expectation::Err(kind),
                error => return Err(Error::Run { run, source: Box::new(error) }),
            },
            Err(error) => return Err(error),
        };
        let nothing = || {
            Error::Refused(format!("`{}` made no request that a rule allows, so there is nothing to record", spec.name))
        };
        let row = consumed.row.ok_or_else(nothing)?;
        let record = RecordService { workspace: self.workspace }.expand(row)?.record;
        let exchanges = record.said.as_ref().map(|said| said.exchanges.as_slice()).unwrap_or_default();
        let grants = SkillCapabilities::of(spec).hosts;
        // A gate holds requests to the same rules, so one that no rule allows needs no exchange.
        let allowed = |exchange: &&ExchangeRecord| {
            authorize::authorize(&grants, exchange.call.method, &exchange.call.url).is_ok()
        };
        let exchanges: Vec<&ExchangeRecord> = exchanges.iter().filter(allowed).collect();
        if exchanges.is_empty() {
            return Err(nothing());
        }
        let exchanges = exchanges.into_iter().map(|exchange| example_exchange(self.workspace, exchange));
        // A gate refuses what no secret signs, as the run did.
        let signs = |signature: &&SignatureRecord| {
            spec.secrets.iter().any(|bound| bound.name == signature.call.secret && bound.place.signs().is_some())
        };
        let signatures = record.said.iter().flat_map(|said| &said.signatures).filter(signs);
        let case = Example {
            name: case.to_owned(),
            input: record.input_json,
            vault: Default::default(),
            now: spec.reads_clock.then_some(record.clock),
            exchanges: exchanges.collect::<Result<_, _>>()?,
            signatures: signatures.map(ExampleSignature::from).collect(),
            expect,
            files: Default::default(),
            removed: Default::default(),
        };
        let read_vault = SkillCapabilities::of(spec).reads_vault();
        let looks_like = scan::looks_like_secret(&serde_json::json!(case).to_string());
        Ok(RecordedCase { run: record.execution_id, case, read_vault, looks_like })
    }
}

fn example_exchange(workspace: &OpenWorkspace, exchange: &ExchangeRecord) -> Result<ExampleExchange, Error> {
    let stored = |body: &StoredBody| match body.bytes {
        0 => Ok(Vec::new()),
        _ => workspace.store.get(StoredKind::Value, body.sha256),
    };
    let request = stored(&exchange.call.body)?;
    let reply = match &exchange.end {
        RecordedEnd::Reply { body, .. } => stored(body)?,
        RecordedEnd::Failure(_) => Vec::new(),
    };
    ExampleExchange::recorded(exchange, request, reply).map_err(|error| Error::Refused(error.to_string()))
}
