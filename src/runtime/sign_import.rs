//! The host side of `kavi:skill/sign`: signatures with secrets that the guest never has, made by a port outside of the run.
//!
//! Guarantees: the guest waits here, so its deadline, a stop and a cancelled run end it as they end an exchange. Without a port
//! every signature is refused.
//!
//! Deliberately never: has a secret, or decides about a signature (that is `egress`).

use std::sync::Arc;

use wasmtime::{
    StoreContextMut,
    component::{ComponentType, LinkerInstance, Lower},
};

use super::{error::Stop, http_import::answered, wall::state::GuestState};
use crate::model::signing::{SignatureAlgorithm, SigningCall, SigningFailure, SigningFailureKind, SigningResult};

/// `kavi:skill/sign.error`.
#[derive(ComponentType, Lower)]
#[component(variant)]
enum WitError {
    #[component(name = "refused")]
    Refused(String),
    #[component(name = "unavailable")]
    Unavailable(String),
    #[component(name = "too-large")]
    TooLarge(String),
}

impl From<SigningFailure> for WitError {
    fn from(SigningFailure { kind, message }: SigningFailure) -> Self {
        match kind {
            SigningFailureKind::Refused => Self::Refused(message),
            SigningFailureKind::Unavailable => Self::Unavailable(message),
            SigningFailureKind::TooLarge => Self::TooLarge(message),
        }
    }
}

/// Links `kavi:skill/sign`.
pub(super) fn link_sign(instance: &mut LinkerInstance<'_, GuestState>) -> wasmtime::Result<()> {
    for algorithm in SignatureAlgorithm::ALL {
        instance.func_wrap(
            algorithm.as_str(),
            move |mut store: StoreContextMut<'_, GuestState>, (secret, bytes): (String, Vec<u8>)| {
                let call = SigningCall { secret, algorithm, bytes };
                Ok((sign(store.data_mut(), call)?.map_err(WitError::from),))
            },
        )?;
    }
    Ok(())
}

fn sign(state: &mut GuestState, call: SigningCall) -> Result<SigningResult, Stop> {
    state.deadline.check()?;
    state.note_call(call.algorithm.as_str(), &call.secret);
    let Some(port) = state.http.as_ref().map(Arc::clone) else {
        let message = "nothing signs in this run";
        return Ok(Err(SigningFailure::new(SigningFailureKind::Refused, message)));
    };
    let deadline = &state.deadline;
    let end = port.sign(call, &mut || deadline.check().is_ok());
    // First: a run that must end is not told what came of its call.
    deadline.check()?;
    answered(end)
}
