//! Statements about a promotion: in-toto Statements v1 in DSSE envelopes, signed with the key of the workspace.
//!
//! A promotion has three: how the component came to be (SLSA provenance v1), what the gates said (in-toto test result), and what
//! Kavi concludes from both (verification summary). The event of the promotion names each envelope by its digest.
//!
//! Guarantees: the signature covers the decoded payload, byte for byte, and only that payload is used. An envelope and a payload
//! have one form each, so two readers cannot read two things. A statement counts only for the component, specification and
//! source of its promotion.
//!
//! Deliberately never: signs, or decides whether a statement is true. Whoever holds the key says so.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::approval::{STATEMENT_TYPE, column};
use super::note::NoteKey;
use super::{hex, sha256};

/// What an envelope says it carries.
const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";
/// Longest envelope that is read, in bytes.
pub const MAX_ENVELOPE: usize = 256 << 10;
/// Deepest value of a payload.
const MAX_DEPTH: usize = 32;
/// The table whose rows an event of a promotion names its envelopes by.
const TABLE: &str = "statements/";

/// What a statement says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatementKind {
    /// How the component came to be.
    Provenance,
    /// What the gates said.
    TestResult,
    /// What follows from both.
    VerificationSummary,
}

impl StatementKind {
    /// Every kind, in the order in which they are made.
    pub const ALL: [Self; 3] = [Self::Provenance, Self::TestResult, Self::VerificationSummary];

    /// The type of its predicate.
    pub fn predicate_type(self) -> &'static str {
        match self {
            Self::Provenance => "https://slsa.dev/provenance/v1",
            Self::TestResult => "https://in-toto.io/attestation/test-result/v0.1",
            Self::VerificationSummary => "https://slsa.dev/verification_summary/v1",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.predicate_type() == text)
    }
}

/// Why a statement does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StatementError {
    /// Its form.
    #[error("the statement is malformed: {0}")]
    Malformed(&'static str),
    /// Its signature.
    #[error("its signature is not by the key `{0}`")]
    Signature(String),
    /// It is about something else.
    #[error("it is about another {0}")]
    Other(&'static str),
    /// It does not say that the promotion was right.
    #[error("it does not say `{0}`")]
    NotPassed(&'static str),
}

/// What an event of a promotion says about what was promoted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PromotedDigests {
    /// The component.
    pub component: String,
    /// The specification.
    pub specification: String,
    /// The sources; empty when the event does not name them.
    pub source: String,
}

impl PromotedDigests {
    /// What the event of a promotion or rollback names. `None` for any other event.
    pub fn of_event(body: &Value) -> Option<Self> {
        let promotion = |name| column(body, "promotions", None, name).map(str::to_owned);
        let source = column(body, "skill_proposals", Some(&promotion("proposal_id")?), "snapshot_sha256");
        Some(Self {
            component: promotion("component_sha256")?,
            specification: promotion("spec_sha256")?,
            source: source.unwrap_or_default().to_owned(),
        })
    }
}

/// An envelope that an event names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedEnvelope {
    /// The type of its predicate.
    pub predicate_type: String,
    /// The SHA-256 of the envelope.
    pub sha256: String,
}

/// The envelopes that the event of a promotion names, in their order. Other events name none.
///
/// # Errors
/// [`StatementError::Malformed`] when the event names something else there.
pub fn named_by(body: &Value) -> Result<Vec<NamedEnvelope>, StatementError> {
    let rows = body["rows"].as_object().filter(|_| body["kind"] == "promotion");
    let Some((_, rows)) = rows.and_then(|rows| rows.iter().find(|(name, _)| name.starts_with(TABLE))) else {
        return Ok(Vec::new());
    };
    let malformed = || StatementError::Malformed("its event does not name it by its digest");
    let named = |row: &Value| {
        let digest = row["envelope"]["sha256"].as_str().zip(row["predicate_type"].as_str());
        let (sha256, predicate_type) = digest.ok_or_else(malformed)?;
        Ok(NamedEnvelope { predicate_type: predicate_type.to_owned(), sha256: sha256.to_owned() })
    };
    rows.as_array().ok_or_else(malformed)?.iter().map(named).collect()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EnvelopeForm {
    payload: String,
    #[serde(rename = "payloadType")]
    payload_type: String,
    signatures: Vec<SignatureForm>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignatureForm {
    keyid: String,
    sig: String,
}

/// The bytes that are signed for a payload: DSSE's pre-authentication encoding.
pub fn to_be_signed(payload: &str) -> String {
    format!("DSSEv1 {} {PAYLOAD_TYPE} {} {payload}", PAYLOAD_TYPE.len(), payload.len())
}

/// The name of a key in an envelope.
fn key_id(key: &NoteKey) -> String {
    let id: String = key.id().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}+{id}", key.name())
}

/// The envelope of a payload, with a signature over [`to_be_signed`].
pub fn envelope(payload: &str, key: &NoteKey, signature: &[u8; 64]) -> String {
    render(payload.as_bytes(), &key_id(key), signature)
}

fn render(payload: &[u8], keyid: &str, signature: &[u8]) -> String {
    let signatures = json!([{ "keyid": keyid, "sig": STANDARD.encode(signature) }]);
    json!({ "payload": STANDARD.encode(payload), "payloadType": PAYLOAD_TYPE, "signatures": signatures }).to_string()
}

/// The payload of an envelope that this key signed.
///
/// # Errors
/// [`StatementError::Malformed`] when it is not in its one form, [`StatementError::Signature`] when the key did not sign it.
pub fn open(envelope: &str, key: &NoteKey) -> Result<Value, StatementError> {
    let malformed = StatementError::Malformed;
    if envelope.len() > MAX_ENVELOPE {
        return Err(malformed("its envelope is too long"));
    }
    let form: EnvelopeForm =
        serde_json::from_str(envelope).map_err(|_| malformed("its envelope is not one of DSSE"))?;
    let [signature] = form.signatures.as_slice() else { return Err(malformed("it has not exactly one signature")) };
    let decode = |text: &str| STANDARD.decode(text).map_err(|_| malformed("its envelope is not base64"));
    let (payload, sig) = (decode(&form.payload)?, decode(&signature.sig)?);
    // Written again and compared: spaces, order and escapes would give one envelope several digests.
    if form.payload_type != PAYLOAD_TYPE || render(&payload, &signature.keyid, &sig) != envelope {
        return Err(malformed("its envelope is not in its one form"));
    }
    let payload = String::from_utf8(payload).map_err(|_| malformed("its payload is not text"))?;
    let public = ring::signature::UnparsedPublicKey::new(&ring::signature::ED25519, key.public());
    if signature.keyid != key_id(key) || public.verify(to_be_signed(&payload).as_bytes(), &sig).is_err() {
        return Err(StatementError::Signature(key.text()));
    }
    let value: Value = serde_json::from_str(&payload).map_err(|_| malformed("its payload is not JSON"))?;
    // A name that is there twice, a number with a fraction or a deep value is read differently by different readers.
    let written = value.to_string();
    if !is_plain(&value, MAX_DEPTH) || written != payload {
        return Err(malformed("its payload is not in its one form"));
    }
    Ok(value)
}

/// Whether a value has only integers as numbers, and is no deeper than that.
fn is_plain(value: &Value, depth: usize) -> bool {
    match value {
        Value::Number(number) => !number.is_f64(),
        Value::Array(values) => depth > 0 && values.iter().all(|value| is_plain(value, depth - 1)),
        Value::Object(fields) => depth > 0 && fields.values().all(|value| is_plain(value, depth - 1)),
        _ => true,
    }
}

/// A statement of a promotion, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvenStatement {
    /// What it says.
    pub kind: StatementKind,
    /// All of it.
    pub payload: Value,
}

/// The resource of this name in a list of in-toto resource descriptors.
fn resource<'v>(list: &'v Value, name: &str) -> &'v Value {
    let found = list.as_array().and_then(|list| list.iter().find(|one| one["name"] == name));
    found.map_or(&Value::Null, |one| &one["digest"]["sha256"])
}

/// Checks all statements of one promotion: their envelopes, as the event names them, and what they say.
///
/// # Errors
/// [`StatementError`] for the first that does not count.
pub fn check(body: &Value, envelopes: &[&str], key: &NoteKey) -> Result<Vec<ProvenStatement>, StatementError> {
    let named = named_by(body)?;
    if named.len() != envelopes.len() {
        return Err(StatementError::Malformed("there are not as many as its event names"));
    }
    if named.is_empty() {
        return Ok(Vec::new());
    }
    let promoted = PromotedDigests::of_event(body);
    let promoted = promoted.ok_or(StatementError::Malformed("its event has no promotion"))?;
    let mut proven: Vec<ProvenStatement> = Vec::new();
    // The summary names the statements before it by digest. So the order in the event is part of
    // what is checked.
    let mut earlier = Vec::new();
    for (named, envelope) in named.iter().zip(envelopes) {
        let digest = hex(&sha256(&[envelope.as_bytes()]));
        // The event is in the signed history, and the statement is not. Only this digest ties the
        // two together.
        if digest != named.sha256 {
            return Err(StatementError::Other("event"));
        }
        let payload = open(envelope, key)?;
        let kind = StatementKind::parse(&named.predicate_type);
        let kind = kind.ok_or(StatementError::Malformed("its type is unknown"))?;
        // With two of a type, one could say PASSED and the other not, and each reader would pick
        // one.
        if proven.iter().any(|one| one.kind == kind) {
            return Err(StatementError::Malformed("there are two of its type"));
        }
        check_claims(kind, &payload, &promoted, &earlier)?;
        earlier.push(digest);
        proven.push(ProvenStatement { kind, payload });
    }
    Ok(proven)
}

fn check_claims(
    kind: StatementKind,
    payload: &Value,
    promoted: &PromotedDigests,
    earlier: &[String],
) -> Result<(), StatementError> {
    let other = StatementError::Other;
    if payload["_type"] != STATEMENT_TYPE || payload["predicateType"] != kind.predicate_type() {
        return Err(other("type"));
    }
    // The whole list, not one entry of it: a second subject would make the statement one about
    // another component as well.
    if payload["subject"] != json!([{ "digest": { "sha256": promoted.component }, "name": "component" }]) {
        return Err(other("component"));
    }
    let predicate = &payload["predicate"];
    match kind {
        StatementKind::Provenance => {
            let build = &predicate["buildDefinition"];
            if build["externalParameters"]["specification"]["digest"]["sha256"] != promoted.specification.as_str() {
                return Err(other("specification"));
            }
            if *resource(&build["resolvedDependencies"], "source") != promoted.source.as_str() {
                return Err(other("source"));
            }
            let builder = predicate["runDetails"]["builder"]["id"].as_str();
            builder.filter(|id| !id.is_empty()).map(drop).ok_or(StatementError::Malformed("it names no builder"))
        }
        StatementKind::TestResult if predicate["result"] != "PASSED" => Err(StatementError::NotPassed("PASSED")),
        StatementKind::TestResult => Ok(()),
        StatementKind::VerificationSummary => {
            let inputs: Vec<Value> = earlier.iter().map(|digest| json!({ "digest": { "sha256": digest } })).collect();
            if predicate["inputAttestations"] != Value::Array(inputs) {
                return Err(other("statement"));
            }
            if predicate["verificationResult"] != "PASSED" { Err(StatementError::NotPassed("PASSED")) } else { Ok(()) }
        }
    }
}

impl ProvenStatement {
    /// What it says, for people.
    pub fn line(&self) -> String {
        let predicate = &self.payload["predicate"];
        let text = |value: &Value| value.as_str().unwrap_or("nothing").to_owned();
        let count = |value: &Value| value.as_array().map_or(0, Vec::len);
        match self.kind {
            StatementKind::Provenance => {
                let (build, run) = (&predicate["buildDefinition"], &predicate["runDetails"]);
                let sources = resource(&build["resolvedDependencies"], "source");
                format!(
                    "provenance: built from source {} by {} (version {}, commit {})",
                    text(sources),
                    text(&run["builder"]["id"]),
                    text(&run["builder"]["version"]["kavi"]),
                    text(&run["builder"]["version"]["commit"]),
                )
            }
            StatementKind::TestResult => {
                let gates = count(&predicate["passedTests"]);
                format!("test result: {}, {gates} gates passed", text(&predicate["result"]))
            }
            StatementKind::VerificationSummary => format!(
                "verification summary: {} at {}, {}",
                text(&predicate["verificationResult"]),
                text(&predicate["timeVerified"]),
                text(&predicate["verifiedLevels"][0]),
            ),
        }
    }
}
