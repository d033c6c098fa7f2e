//! The host side of `kavi:skill/http`: one synchronous call, made by a port outside of the run.
//!
//! Guarantees: the guest waits here, so its deadline, a stop and a cancelled run end an exchange in every phase. Without a port
//! every request is refused.
//!
//! Deliberately never: connects, or decides about a request (that is `egress`).

use std::sync::Arc;

use wasmtime::{
    StoreContextMut,
    component::{ComponentType, Lift, LinkerInstance, Lower},
};

use crate::model::{
    exchange::{CallEnd, HeaderField, HttpCall, HttpFailure, HttpFailureKind, HttpReply},
    host_rule::RequestMethod,
};

use super::{error::Stop, wall::state::GuestState};

/// `kavi:skill/http.method`.
#[derive(Clone, Copy, ComponentType, Lift)]
#[component(enum)]
#[repr(u8)]
#[expect(dead_code, reason = "made by the derived lifting, which the lint does not see")]
enum WitMethod {
    #[component(name = "get")]
    Get,
    #[component(name = "head")]
    Head,
    #[component(name = "post")]
    Post,
    #[component(name = "put")]
    Put,
    #[component(name = "patch")]
    Patch,
    #[component(name = "delete")]
    Delete,
}

impl From<WitMethod> for RequestMethod {
    fn from(method: WitMethod) -> Self {
        match method {
            WitMethod::Get => Self::Get,
            WitMethod::Head => Self::Head,
            WitMethod::Post => Self::Post,
            WitMethod::Put => Self::Put,
            WitMethod::Patch => Self::Patch,
            WitMethod::Delete => Self::Delete,
        }
    }
}

/// `kavi:skill/http.request`.
#[derive(ComponentType, Lift)]
#[component(record)]
struct WitRequest {
    method: WitMethod,
    url: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// `kavi:skill/http.response`.
#[derive(ComponentType, Lower)]
#[component(record)]
struct WitResponse {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// `kavi:skill/http.error`.
#[derive(ComponentType, Lower)]
#[component(variant)]
enum WitError {
    #[component(name = "refused")]
    Refused(String),
    #[component(name = "dns")]
    Dns(String),
    #[component(name = "connect")]
    Connect(String),
    #[component(name = "tls")]
    Tls(String),
    #[component(name = "timeout")]
    Timeout(String),
    #[component(name = "too-large")]
    TooLarge(String),
    #[component(name = "invalid")]
    Invalid(String),
}

impl From<HttpFailure> for WitError {
    fn from(HttpFailure { kind, message }: HttpFailure) -> Self {
        match kind {
            HttpFailureKind::Refused => Self::Refused(message),
            HttpFailureKind::Dns => Self::Dns(message),
            HttpFailureKind::Connect => Self::Connect(message),
            HttpFailureKind::Tls => Self::Tls(message),
            HttpFailureKind::Timeout => Self::Timeout(message),
            HttpFailureKind::TooLarge => Self::TooLarge(message),
            HttpFailureKind::Invalid => Self::Invalid(message),
        }
    }
}

/// Links `kavi:skill/http`.
pub(super) fn link_http(instance: &mut LinkerInstance<'_, GuestState>) -> wasmtime::Result<()> {
    instance.func_wrap("send", |mut store: StoreContextMut<'_, GuestState>, (request,): (WitRequest,)| {
        let WitRequest { method, url, headers, body } = request;
        let headers = headers.into_iter().map(|(name, value)| HeaderField { name, value }).collect();
        let call = HttpCall { method: method.into(), url, headers, body };
        let pair = |field: HeaderField| (field.name, field.value);
        let end = match send(store.data_mut(), call)? {
            Ok(HttpReply { status, headers, body }) => {
                Ok(WitResponse { status, headers: headers.into_iter().map(pair).collect(), body })
            }
            Err(failure) => Err(WitError::from(failure)),
        };
        Ok((end,))
    })
}

fn send(state: &mut GuestState, call: HttpCall) -> Result<Result<HttpReply, HttpFailure>, Stop> {
    state.deadline.check()?;
    state.note_call("http.send", &call.url);
    let Some(port) = state.http.as_ref().map(Arc::clone) else {
        let message = "no exchange is declared for this request";
        return Ok(Err(HttpFailure::new(HttpFailureKind::Refused, message)));
    };
    let (deadline, left) = (&state.deadline, state.deadline.left());
    let end = port.exchange(call, left, &mut || deadline.check().is_ok());
    // First: a run that must end is not told what came of its call.
    deadline.check()?;
    answered(end)
}

/// What the guest gets, or why its run ends.
pub(super) fn answered<T>(end: CallEnd<T>) -> Result<T, Stop> {
    match end {
        CallEnd::Answered(end) => Ok(end),
        CallEnd::NotRecorded(call) => Err(Stop::NotRecorded(call)),
        CallEnd::Broken(why) => Err(Stop::Egress(why)),
        CallEnd::Interrupted => Err(Stop::Egress("an exchange was interrupted for no reason".to_owned())),
    }
}
