//! Raises the loopback interface of a new network namespace: the only interface it has.
//!
//! By hand over netlink, because the `ioctl` for it has no safe call.

use std::os::fd::AsRawFd;

use nix::sys::socket::{AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto, socket};

use super::{at, call};
use crate::cage::error::{SetupStep, StageError};

/// The first interface of every network namespace.
const LOOPBACK_INDEX: i32 = 1;
const RTM_NEWLINK: u16 = 16;
const NLMSG_ERROR: u16 = 2;
const NLM_F_REQUEST_ACK: u16 = 1 | 4;
const IFF_UP: u32 = 1;

/// Raises it. This needs a capability over the namespace, so it comes before capabilities are dropped.
pub(super) fn raise() -> Result<(), StageError> {
    let netlink = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkRoute)
        .map_err(at(SetupStep::Loopback, "socket"))?;
    let (request, kernel) = (request(), NetlinkAddr::new(0, 0));
    call(SetupStep::Loopback, "send", || sendto(netlink.as_raw_fd(), &request, &kernel, MsgFlags::empty()))?;
    // The kernel repeats the request after the error code, which fits.
    let mut answer = [0u8; 256];
    let length = call(SetupStep::Loopback, "receive", || recv(netlink.as_raw_fd(), &mut answer, MsgFlags::empty()))?;
    match verdict(&answer[..length]) {
        Some(0) => Ok(()),
        Some(code) => Err(StageError::new(
            SetupStep::Loopback,
            std::io::Error::from_raw_os_error(code.saturating_neg()).to_string(),
        )),
        None => Err(StageError::new(SetupStep::Loopback, "the kernel's answer is malformed".to_owned())),
    }
}

/// `struct nlmsghdr` and `struct ifinfomsg`.
fn request() -> Vec<u8> {
    let mut message = Vec::with_capacity(32);
    message.extend(32u32.to_ne_bytes());
    message.extend(RTM_NEWLINK.to_ne_bytes());
    message.extend(NLM_F_REQUEST_ACK.to_ne_bytes());
    message.extend(1u32.to_ne_bytes()); // sequence number
    message.extend(0u32.to_ne_bytes()); // to the kernel
    message.extend([0u8; 4]); // any family, padding, any type
    message.extend(LOOPBACK_INDEX.to_ne_bytes());
    message.extend(IFF_UP.to_ne_bytes()); // flags
    message.extend(IFF_UP.to_ne_bytes()); // which of them to change
    message
}

/// The error code of the acknowledgement, 0 for success.
fn verdict(answer: &[u8]) -> Option<i32> {
    // Success and failure both arrive as an error message: 0 in it acknowledges.
    let kind = u16::from_ne_bytes(answer.get(4..6)?.try_into().ok()?);
    let code = i32::from_ne_bytes(answer.get(16..20)?.try_into().ok()?);
    (kind == NLMSG_ERROR).then_some(code)
}
