//! Whether a run may have a signature. A verification asks the same.
//!
//! Deliberately never: signs (that is `secrets`).

use crate::model::{
    secret_binding::SecretBinding,
    signing::{MAX_SIGNATURES, MAX_SIGNED_BYTES, SigningCall, SigningFailure, SigningFailureKind},
    text,
};

/// Checks a call of a run that has asked for `made` signatures before.
///
/// # Errors
/// [`SigningFailure`] of the kind `refused` or `too-large`.
pub fn authorize_signing(bindings: &[SecretBinding], call: &SigningCall, made: usize) -> Result<(), SigningFailure> {
    let refused = |message: String| Err(SigningFailure::new(SigningFailureKind::Refused, message));
    let SigningCall { secret, algorithm, bytes } = call;
    let bound = |binding: &SecretBinding| binding.name == *secret && binding.place.signs() == Some(*algorithm);
    if !bindings.iter().any(bound) {
        return refused(format!("the specification binds no secret `{}` as {algorithm}", text::line(secret, 64)));
    }
    if made >= MAX_SIGNATURES {
        return refused(format!("this run has asked for {MAX_SIGNATURES} signatures, and gets no more"));
    }
    if bytes.len() > MAX_SIGNED_BYTES {
        let message = format!("more than {MAX_SIGNED_BYTES} bytes cannot be signed at once");
        return Err(SigningFailure::new(SigningFailureKind::TooLarge, message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::signing::SignatureAlgorithm;

    #[test]
    fn only_a_secret_that_is_bound_for_it_signs_and_not_without_limits() -> Result<(), Box<dyn std::error::Error>> {
        let bindings = ["KEY https://a.example hmac-sha256", "OTHER https://a.example bearer"];
        let bindings = bindings.iter().map(|text| text.parse()).collect::<Result<Vec<_>, _>>()?;
        let call = |secret: &str, algorithm, bytes| SigningCall {
            secret: secret.to_owned(),
            algorithm,
            bytes: vec![0; bytes],
        };
        let (hmac, ed25519) = (SignatureAlgorithm::HmacSha256, SignatureAlgorithm::Ed25519);
        for (call, made, expected) in [
            (call("KEY", hmac, MAX_SIGNED_BYTES), MAX_SIGNATURES - 1, None),
            (call("KEY", ed25519, 1), 0, Some(SigningFailureKind::Refused)),
            (call("OTHER", hmac, 1), 0, Some(SigningFailureKind::Refused)),
            (call("NONE", hmac, 1), 0, Some(SigningFailureKind::Refused)),
            (call("KEY", hmac, 1), MAX_SIGNATURES, Some(SigningFailureKind::Refused)),
            (call("KEY", hmac, MAX_SIGNED_BYTES + 1), 0, Some(SigningFailureKind::TooLarge)),
        ] {
            let refused = authorize_signing(&bindings, &call, made).err().map(|failure| failure.kind);
            assert_eq!(refused, expected, "{} {}", call.secret, call.algorithm);
        }
        Ok(())
    }
}
