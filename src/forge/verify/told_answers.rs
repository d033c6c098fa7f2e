//! What a test says that the skill gets in one call: responses, signatures, and reasons why there are none.
//!
//! Guarantees: each answer is given once, and whatever is asked else is refused. Deliberately never: connects, or has a secret.

use std::sync::Mutex;
use std::time::Duration;

use crate::model::{
    exchange::{CallEnd, HttpCall, HttpFailure, HttpFailureKind, HttpPort},
    signing::{SigningCall, SigningFailure, SigningFailureKind, SigningResult},
};
use crate::runtime::TestAnswer;
use crate::sync::lock;

/// What a test says that hosts answer to one call of the skill, and what is signed. Whatever is asked else is refused.
///
/// The host rules and bindings are not asked: a test may name a host or a secret that only stands for one.
#[derive(Debug)]
pub(super) struct ToldAnswers(Mutex<Vec<TestAnswer>>);

impl ToldAnswers {
    pub(super) fn new(answers: Vec<TestAnswer>) -> Self {
        Self(Mutex::new(answers))
    }

    /// The first answer that fits, which is then used.
    fn take(&self, fits: impl Fn(&TestAnswer) -> bool) -> Option<TestAnswer> {
        let mut left = lock(&self.0);
        left.iter().position(fits).map(|index| left.remove(index))
    }
}

impl HttpPort for ToldAnswers {
    fn exchange(&self, call: HttpCall, _: Duration, _: &mut dyn FnMut() -> bool) -> CallEnd {
        let fits = |answer: &TestAnswer| match answer {
            TestAnswer::Reply { url, .. } | TestAnswer::NoReply { url, .. } => *url == call.url,
            TestAnswer::Signature { .. } | TestAnswer::NoSignature { .. } => false,
        };
        CallEnd::Answered(match self.take(fits) {
            Some(TestAnswer::Reply { reply, .. }) => Ok(reply),
            Some(TestAnswer::NoReply { kind, .. }) => {
                Err(HttpFailure::new(kind, format!("the test says so: {}", kind.as_str())))
            }
            _ => {
                Err(HttpFailure::new(HttpFailureKind::Refused, "no test answers this request: use `testing::respond`"))
            }
        })
    }

    fn sign(&self, call: SigningCall, _: &mut dyn FnMut() -> bool) -> CallEnd<SigningResult> {
        let fits = |answer: &TestAnswer| match answer {
            TestAnswer::Signature { secret, .. } | TestAnswer::NoSignature { secret, .. } => *secret == call.secret,
            TestAnswer::Reply { .. } | TestAnswer::NoReply { .. } => false,
        };
        CallEnd::Answered(match self.take(fits) {
            Some(TestAnswer::Signature { bytes, .. }) => Ok(bytes),
            Some(TestAnswer::NoSignature { kind, .. }) => {
                Err(SigningFailure::new(kind, format!("the test says so: {}", kind.as_str())))
            }
            _ => {
                let message = "no test gives this signature: use `testing::sign_with`";
                Err(SigningFailure::new(SigningFailureKind::Refused, message))
            }
        })
    }
}
