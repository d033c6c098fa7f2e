//! What the host and a broker say to each other: a head in JSON, then a body.
//!
//! Guarantees: a message is read whole or not at all, and no longer than [`MAX_BODY`]. Deliberately never: has a secret in a
//! head, which errors may quote.

use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::model::{
    exchange::{ExchangeHop, HeaderField, HttpFailure},
    host_grants::HostGrants,
    host_rule::RequestMethod,
    secret::SecretName,
    secret_binding::SecretBinding,
    signing::{SignatureAlgorithm, SigningFailure},
};

const MAX_HEAD: u32 = 4 << 20;
const MAX_BODY: u32 = 64 << 20;

/// What a broker is told first. The body of the message has the certificate authorities, or nothing for those of Kavi.
#[derive(Debug, Serialize, Deserialize)]
pub struct BrokerOrder {
    /// What the run may reach.
    pub grants: HostGrants,
    /// Which secrets it puts in, and where.
    pub secrets: Vec<SecretBinding>,
}

/// The answer to it.
#[derive(Debug, Serialize, Deserialize)]
pub enum BrokerReady {
    /// It is confined, and waits for calls.
    Ready,
    /// It cannot work.
    Failed(String),
}

/// What the host says to a broker that is ready.
#[derive(Debug, Serialize, Deserialize)]
pub enum HostMessage {
    /// Make this call.
    Call(CallHead),
    /// Sign the body of this message.
    Sign(SigningHead),
    /// Get every secret of the run, so that it can be looked for.
    Hold,
    /// Look for the secrets of the run in the body of this message.
    Scan,
}

/// What a broker says.
#[derive(Debug, Serialize, Deserialize)]
pub enum BrokerMessage {
    /// What came of a call.
    Exchanged(ExchangedHead),
    /// What came of a signature. The body of the message is the signature.
    Signed(Result<(), SigningFailure>),
    /// It needs a secret. The next bytes of the socket are the value, or say that there is none.
    NeedsSecret(SecretName),
    /// A secret was found where it must not be, described without its value. The run ends.
    Leak(String),
    /// The body has no secret of the run.
    Clean,
}

/// A call. The body of the message is that of the request.
#[derive(Debug, Serialize, Deserialize)]
pub struct CallHead {
    /// The method.
    pub method: RequestMethod,
    /// The URL.
    pub url: String,
    /// The headers.
    pub headers: Vec<HeaderField>,
    /// What the run has left, in milliseconds.
    pub time_ms: u64,
}

/// A signature that is asked for.
#[derive(Debug, Serialize, Deserialize)]
pub struct SigningHead {
    /// The name of the secret.
    pub secret: String,
    /// How it signs.
    pub algorithm: SignatureAlgorithm,
}

/// What came of it. The body of the message is that of the response.
#[derive(Debug, Serialize, Deserialize)]
pub struct ExchangedHead {
    /// What went over the wire.
    pub hops: Vec<ExchangeHop>,
    /// The head of the response, or why there is none.
    pub end: Result<ReplyHead, HttpFailure>,
}

/// A response without its body.
#[derive(Debug, Serialize, Deserialize)]
pub struct ReplyHead {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: Vec<HeaderField>,
}

/// Writes one message.
///
/// # Errors
/// When it is too long, or the other end is gone.
pub fn send(to: &mut impl Write, head: &impl Serialize, body: &[u8]) -> io::Result<()> {
    let head = serde_json::to_vec(head)?;
    let too_long = |_| io::Error::from(io::ErrorKind::InvalidData);
    let lengths = [u32::try_from(head.len()).map_err(too_long)?, u32::try_from(body.len()).map_err(too_long)?];
    // One write for a small message, so that the other end wakes once.
    let mut message = Vec::with_capacity(8 + head.len() + body.len());
    lengths.iter().for_each(|length| message.extend_from_slice(&length.to_le_bytes()));
    message.extend_from_slice(&head);
    message.extend_from_slice(body);
    to.write_all(&message)
}

/// Reads one message.
///
/// # Errors
/// When it is too long or no message, or the other end is gone.
pub fn receive<T: DeserializeOwned>(from: &mut impl Read) -> io::Result<(T, Vec<u8>)> {
    let head = length(from, MAX_HEAD)?;
    let body = length(from, MAX_BODY)?;
    let head: T = serde_json::from_slice(&bytes(from, head)?)?;
    Ok((head, bytes(from, body)?))
}

fn length(from: &mut impl Read, most: u32) -> io::Result<usize> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length);
    let fits = usize::try_from(length).ok().filter(|_| length <= most);
    fits.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
}

fn bytes(from: &mut impl Read, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    from.read_exact(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_read_as_it_was_sent_and_a_huge_one_is_refused() -> io::Result<()> {
        let mut sent = Vec::new();
        send(&mut sent, &BrokerReady::Failed("x".to_owned()), b"body")?;
        let (head, body) = receive::<BrokerReady>(&mut sent.as_slice())?;
        assert!(matches!(head, BrokerReady::Failed(why) if why == "x") && body == b"body");
        let huge = [0xff_u8; 64];
        assert!(receive::<BrokerReady>(&mut huge.as_slice()).is_err());
        assert!(receive::<BrokerReady>(&mut &sent[..9]).is_err());
        Ok(())
    }
}
