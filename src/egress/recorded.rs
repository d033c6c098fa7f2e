//! Answers from the record of an earlier run, without a network.
//!
//! Guarantees: a call is answered by the first unused exchange with exactly its method, URL, headers and body, a signature by the
//! first unused one with its secret and bytes. One that the record does not have ends the run with an error that names it.
//!
//! Deliberately never: looks a name up, connects, or makes an answer up.

use std::sync::Mutex;
use std::time::Duration;

use crate::model::exchange::{
    CallEnd, ExchangeRecord, Exchanged, HttpCall, HttpPort, HttpReply, RecordedCall, RecordedEnd,
};
use crate::model::signing::{RecordedSigning, SignatureRecord, SigningCall, SigningResult};
use crate::sync::lock;

/// An exchange of the record, with the body of its response.
#[derive(Debug, Clone)]
struct RecordedExchange {
    record: ExchangeRecord,
    body: Vec<u8>,
    is_used: bool,
}

/// The exchanges of a record.
#[derive(Debug, Default)]
pub struct RecordedExchanges {
    exchanges: Mutex<Vec<RecordedExchange>>,
    /// Those that were used, in the order of the calls.
    used: Mutex<Vec<ExchangeRecord>>,
    signatures: Mutex<RecordedSignatures>,
}

/// The signatures of a record, and those of them that were used.
#[derive(Debug, Default)]
struct RecordedSignatures {
    left: Vec<SignatureRecord>,
    used: Vec<SignatureRecord>,
}

impl RecordedExchanges {
    /// The exchanges of a record, each with the body of its response.
    pub fn new(exchanges: impl IntoIterator<Item = (ExchangeRecord, Vec<u8>)>) -> Self {
        let exchanges = exchanges.into_iter().map(|(record, body)| RecordedExchange { record, body, is_used: false });
        Self { exchanges: Mutex::new(exchanges.collect()), ..Self::default() }
    }

    /// The same, with the signatures of the record.
    #[must_use]
    pub fn with_signatures(self, left: Vec<SignatureRecord>) -> Self {
        Self { signatures: Mutex::new(RecordedSignatures { left, used: Vec::new() }), ..self }
    }

    /// The signatures that were used, in the order of the calls.
    pub fn used_signatures(&self) -> Vec<SignatureRecord> {
        lock(&self.signatures).used.clone()
    }

    /// Those that were used, in the order of the calls.
    pub fn used(&self) -> Vec<ExchangeRecord> {
        lock(&self.used).clone()
    }
}

impl HttpPort for RecordedExchanges {
    fn exchange(&self, call: HttpCall, _: Duration, _: &mut dyn FnMut() -> bool) -> CallEnd {
        let wanted = RecordedCall::from(&call);
        let mut exchanges = lock(&self.exchanges);
        let found = exchanges.iter_mut().find(|exchange| !exchange.is_used && exchange.record.call == wanted);
        let Some(found) = found else {
            // Without its query, which may hold what nobody wants to read in an error.
            let url = wanted.url.split('?').next().unwrap_or_default().to_owned();
            return CallEnd::NotRecorded(format!("{} {url}", wanted.method));
        };
        found.is_used = true;
        lock(&self.used).push(found.record.clone());
        CallEnd::Answered(match &found.record.end {
            RecordedEnd::Reply { status, headers, .. } => {
                Ok(HttpReply { status: *status, headers: headers.clone(), body: found.body.clone() })
            }
            RecordedEnd::Failure(failure) => Err(failure.clone()),
        })
    }

    fn sign(&self, call: SigningCall, _: &mut dyn FnMut() -> bool) -> CallEnd<SigningResult> {
        let wanted = RecordedSigning::from(&call);
        let mut signatures = lock(&self.signatures);
        match signatures.left.iter().position(|record| record.call == wanted) {
            None => CallEnd::NotRecorded(format!("{} with {}", wanted.algorithm, wanted.secret)),
            Some(index) => {
                let record = signatures.left.remove(index);
                let result = record.result();
                signatures.used.push(record);
                CallEnd::Answered(result)
            }
        }
    }
}

impl From<Vec<(HttpCall, Exchanged)>> for RecordedExchanges {
    fn from(exchanges: Vec<(HttpCall, Exchanged)>) -> Self {
        Self::new(exchanges.into_iter().map(|(call, exchanged)| {
            let body = exchanged.end.as_ref().map(|reply| reply.body.clone()).unwrap_or_default();
            (exchanged.record(&call), body)
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        exchange::{HttpFailure, HttpFailureKind},
        host_rule::RequestMethod,
        signing::SignatureAlgorithm,
    };

    fn call(url: &str, body: &str) -> HttpCall {
        HttpCall { method: RequestMethod::Get, url: url.to_owned(), headers: Vec::new(), body: body.into() }
    }

    #[test]
    fn each_exchange_answers_once_and_nothing_else_is_answered() {
        let reply = |body: &str| HttpReply { status: 200, headers: Vec::new(), body: body.into() };
        let failure = HttpFailure::new(HttpFailureKind::Tls, "x");
        let exchanges = RecordedExchanges::from(vec![
            (call("https://a.example/", ""), Exchanged { hops: Vec::new(), end: Ok(reply("1")) }),
            (call("https://a.example/", ""), Exchanged { hops: Vec::new(), end: Ok(reply("2")) }),
            (call("https://b.example/", ""), Exchanged { hops: Vec::new(), end: Err(failure.clone()) }),
        ]);
        let ask = |url: &str, body: &str| exchanges.exchange(call(url, body), Duration::ZERO, &mut || true);
        assert_eq!(ask("https://b.example/", ""), CallEnd::Answered(Err(failure)));
        assert_eq!(ask("https://a.example/", ""), CallEnd::Answered(Ok(reply("1"))));
        assert_eq!(ask("https://a.example/", "other"), CallEnd::NotRecorded("GET https://a.example/".to_owned()));
        assert_eq!(ask("https://a.example/", ""), CallEnd::Answered(Ok(reply("2"))));
        let third = ask("https://a.example/?q=made-up", "");
        assert_eq!(third, CallEnd::NotRecorded("GET https://a.example/".to_owned()));
        assert_eq!(exchanges.used().len(), 3);
    }

    #[test]
    fn each_signature_is_given_once_and_nothing_else_is_signed() {
        let call = |secret: &str, bytes: &str| SigningCall {
            secret: secret.to_owned(),
            algorithm: SignatureAlgorithm::HmacSha256,
            bytes: bytes.into(),
        };
        let record = SignatureRecord::of(&call("KEY", "a"), &Ok(vec![1]));
        let recorded = RecordedExchanges::default().with_signatures(vec![record.clone()]);
        let ask = |secret: &str, bytes: &str| recorded.sign(call(secret, bytes), &mut || true);
        let missing = |secret: &str| CallEnd::NotRecorded(format!("hmac-sha256 with {secret}"));
        assert_eq!((ask("OTHER", "a"), ask("KEY", "b")), (missing("OTHER"), missing("KEY")));
        assert_eq!((ask("KEY", "a"), ask("KEY", "a")), (CallEnd::Answered(Ok(vec![1])), missing("KEY")));
        assert_eq!(recorded.used_signatures(), [record]);
    }
}
