//! The host side of `kavi:skill/testing`: filling the vault of a test, and calls of the skill that it tests.
//!
//! Guarantees: a component of an older version of the contract gets the functions of that version. Deliberately never: is linked
//! for a skill, or decides which component answers a call.

use wasmtime::{
    StoreContextMut,
    component::{ComponentType, Lift, LinkerInstance},
};

use super::{
    skill_error::SkillError,
    test_calls::{AskedCall, TestAnswer, TestCallAnswer, TestCallEnd},
    wall::state::GuestState,
};
use crate::model::{
    exchange::{HttpFailureKind, HttpReply},
    signing::SigningFailureKind,
};

/// `kavi:skill/testing.reply`.
#[derive(ComponentType, Lift)]
#[component(record)]
struct WitReply {
    url: String,
    status: u16,
    body: Vec<u8>,
}

/// `kavi:skill/testing.no-reply-reason`.
#[derive(Clone, Copy, ComponentType, Lift)]
#[component(enum)]
#[repr(u8)]
#[expect(dead_code, reason = "made by the derived lifting, which the lint does not see")]
enum WitNoReplyReason {
    #[component(name = "refused")]
    Refused,
    #[component(name = "dns")]
    Dns,
    #[component(name = "connect")]
    Connect,
    #[component(name = "tls")]
    Tls,
    #[component(name = "timeout")]
    Timeout,
    #[component(name = "too-large")]
    TooLarge,
    #[component(name = "invalid")]
    Invalid,
}

impl From<WitNoReplyReason> for HttpFailureKind {
    fn from(reason: WitNoReplyReason) -> Self {
        match reason {
            WitNoReplyReason::Refused => Self::Refused,
            WitNoReplyReason::Dns => Self::Dns,
            WitNoReplyReason::Connect => Self::Connect,
            WitNoReplyReason::Tls => Self::Tls,
            WitNoReplyReason::Timeout => Self::Timeout,
            WitNoReplyReason::TooLarge => Self::TooLarge,
            WitNoReplyReason::Invalid => Self::Invalid,
        }
    }
}

/// `kavi:skill/testing.no-reply`.
#[derive(ComponentType, Lift)]
#[component(record)]
struct WitNoReply {
    url: String,
    reason: WitNoReplyReason,
}

/// `kavi:skill/testing.signature`.
#[derive(ComponentType, Lift)]
#[component(record)]
struct WitSignature {
    secret: String,
    bytes: Vec<u8>,
}

/// `kavi:skill/testing.no-signature-reason`.
#[derive(Clone, Copy, ComponentType, Lift)]
#[component(enum)]
#[repr(u8)]
#[expect(dead_code, reason = "made by the derived lifting, which the lint does not see")]
enum WitNoSignatureReason {
    #[component(name = "refused")]
    Refused,
    #[component(name = "unavailable")]
    Unavailable,
    #[component(name = "too-large")]
    TooLarge,
}

impl From<WitNoSignatureReason> for SigningFailureKind {
    fn from(reason: WitNoSignatureReason) -> Self {
        match reason {
            WitNoSignatureReason::Refused => Self::Refused,
            WitNoSignatureReason::Unavailable => Self::Unavailable,
            WitNoSignatureReason::TooLarge => Self::TooLarge,
        }
    }
}

/// `kavi:skill/testing.no-signature`.
#[derive(ComponentType, Lift)]
#[component(record)]
struct WitNoSignature {
    secret: String,
    reason: WitNoSignatureReason,
}

/// `kavi:skill/testing.answer`.
#[derive(ComponentType, Lift)]
#[component(variant)]
enum WitAnswer {
    #[component(name = "reply")]
    Reply(WitReply),
    #[component(name = "no-reply")]
    NoReply(WitNoReply),
    #[component(name = "signature")]
    Signature(WitSignature),
    #[component(name = "no-signature")]
    NoSignature(WitNoSignature),
}

impl From<WitAnswer> for TestAnswer {
    fn from(answer: WitAnswer) -> Self {
        match answer {
            WitAnswer::Reply(WitReply { url, status, body }) => {
                Self::Reply { url, reply: HttpReply { status, headers: Vec::new(), body } }
            }
            WitAnswer::NoReply(WitNoReply { url, reason }) => Self::NoReply { url, kind: reason.into() },
            WitAnswer::Signature(WitSignature { secret, bytes }) => Self::Signature { secret, bytes },
            WitAnswer::NoSignature(WitNoSignature { secret, reason }) => {
                Self::NoSignature { secret, kind: reason.into() }
            }
        }
    }
}

/// Versions of the contract whose tests say nothing of what a call gets.
const WITHOUT_ANSWERS: [&str; 2] = ["0.1.0", "0.2.0"];

/// What a call gives the guest.
type Called = Option<Result<String, SkillError>>;

/// Links `kavi:skill/testing` in a version of the contract.
pub(super) fn link_testing(instance: &mut LinkerInstance<'_, GuestState>, version: &str) -> wasmtime::Result<()> {
    instance.func_wrap("seed", |mut store: StoreContextMut<'_, GuestState>, (path, contents): (String, String)| {
        Ok((store.data_mut().files.seed(&path, &contents)?,))
    })?;
    type Asked = (String, String, Option<i64>);
    type AskedWithAnswers = (String, String, Option<i64>, Vec<WitAnswer>);
    if WITHOUT_ANSWERS.contains(&version) {
        return instance.func_wrap("call", |mut store: StoreContextMut<'_, GuestState>, asked: Asked| {
            let (function, input, now) = asked;
            Ok((call(store.data_mut(), AskedCall { function, input, now, answers: Vec::new() })?,))
        });
    }
    instance.func_wrap("call", |mut store: StoreContextMut<'_, GuestState>, asked: AskedWithAnswers| {
        let (function, input, now, answers) = asked;
        let answers = answers.into_iter().map(TestAnswer::from).collect();
        Ok((call(store.data_mut(), AskedCall { function, input, now, answers })?,))
    })
}

fn call(state: &mut GuestState, asked: AskedCall) -> wasmtime::Result<Called> {
    let Some(calls) = state.command_line.calls.clone() else { return Ok(None) };
    let TestCallAnswer { end, logs } = calls.ask(asked);
    for line in logs {
        state.log(line.level, line.message)?;
    }
    match end {
        TestCallEnd::NotTaken => Ok(None),
        TestCallEnd::Returned(result) => Ok(Some(result.map_err(SkillError::from))),
        // As a panic in a call would: the test ends here.
        TestCallEnd::Stopped(why) => Err(wasmtime::Error::msg(why)),
    }
}
