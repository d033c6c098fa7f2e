//! What makes the requests of one run: a broker of its own, or the record of an earlier run.
//!
//! Guarantees: a run without hosts has neither. A replay is answered from its record alone, and starts no broker. The bodies of
//! all exchanges are in the store before the record that names them is written.
//!
//! Deliberately never: decides about a request (that is `egress`).

use std::sync::Arc;

use super::context::RunContext;
use super::error::InvokeError;
use super::loaded_skill::LoadedSkill;
use crate::artifacts::{ArtifactError, Store, StoredKind};
use crate::egress::{self, BrokerLaunch, LeakCheck, RecordedExchanges};
use crate::model::{
    exchange::{ExchangeRecord, HttpPort, RecordedEnd},
    execution::ExecutionRecord,
    signing::SignatureRecord,
};

/// What a run asked for, as its record has it.
#[derive(Debug, Default)]
pub(super) struct MadeCalls {
    pub(super) exchanges: Vec<ExchangeRecord>,
    pub(super) signatures: Vec<SignatureRecord>,
}

/// Does the work of a run with what makes its requests, and gives what it asked for.
pub(super) fn with_port<T>(
    context: &RunContext<'_>,
    loaded: &LoadedSkill,
    recorded: Option<&Arc<RecordedExchanges>>,
    work: impl FnOnce(Option<&Arc<dyn HttpPort>>, Option<&LeakCheck>) -> T,
) -> Result<(T, MadeCalls), InvokeError> {
    let grants = &loaded.capabilities().hosts;
    if grants.is_empty() {
        return Ok((work(None, None), MadeCalls::default()));
    }
    if let Some(recorded) = recorded {
        let port: Arc<dyn HttpPort> = Arc::<RecordedExchanges>::clone(recorded);
        // It has no secret: what it answers was scanned when it was recorded.
        let done = work(Some(&port), None);
        return Ok((done, MadeCalls { exchanges: recorded.used(), signatures: recorded.used_signatures() }));
    }
    let shared = &context.shared;
    let launch = BrokerLaunch {
        cage: shared.loader.cage,
        grants,
        roots_file: shared.roots_file,
        bindings: &loaded.capabilities().secrets,
        stores: shared.secrets,
    };
    let mut budget = context.ledger.call_budget(&loaded.spec().name, shared.clock);
    // Without a secret there is nothing to look for, and a run that was ended must say why.
    let looks = !launch.bindings.is_empty();
    let (done, kept) = egress::serve(launch, &mut *budget, |port, check| work(Some(port), looks.then_some(check)))?;
    for exchange in &kept.exchanges {
        for body in &exchange.bodies {
            shared.store.put(StoredKind::Value, body)?;
        }
    }
    let exchanges = kept.exchanges.into_iter().map(|exchange| exchange.record).collect();
    Ok((done, MadeCalls { exchanges, signatures: kept.signatures }))
}

/// The exchanges of a recorded run, with their bodies, and its signatures.
pub(super) fn recorded(store: &Store, record: &ExecutionRecord) -> Result<RecordedExchanges, ArtifactError> {
    let exchanges = record.said.iter().flat_map(|said| &said.exchanges);
    let with_body = exchanges.map(|exchange| {
        let body = match &exchange.end {
            // The store checks the digest, so the guest gets the recorded bytes or nothing.
            RecordedEnd::Reply { body, .. } if body.bytes > 0 => store.get(StoredKind::Value, body.sha256)?,
            _ => Vec::new(),
        };
        Ok((exchange.clone(), body))
    });
    let signatures = record.said.iter().flat_map(|said| said.signatures.clone()).collect();
    Ok(RecordedExchanges::new(with_body.collect::<Result<Vec<_>, ArtifactError>>()?).with_signatures(signatures))
}
