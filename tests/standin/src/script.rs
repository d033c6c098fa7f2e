//! What the stand-in does, as a value. Read by the stand-in and written by the tests that use it.
//!
//! A script is glued to the end of a copy of the program: environment, arguments and home belong to the code
//! under test, and a cage may show the program nothing but its one file and its workspace.

use serde::{Deserialize, Serialize};

/// What follows the script at the end of the file, after its length in eight little-endian bytes.
pub const MARK: &[u8; 16] = b"\nkavi-standin-v1";

/// The argument that makes the program write a copy of itself, with the script from standard input at its end,
/// to the path that follows.
pub const MAKE: &str = "--kavi-standin-make";

/// Steps, in order.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Script(pub Vec<Step>);

/// One thing to do. Whatever prints an event prints it in the form of version 2.1.328.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Step {
    /// `system/init` with these tools and this many MCP servers.
    Init { tools: Vec<String>, mcp_servers: usize },
    /// Says something.
    Say(String),
    /// Uses `Write`: relative to the workspace unless absolute. A write that the machine refuses comes back as
    /// an erroneous tool result, as it does with the real one.
    Write { path: String, content: String },
    /// Writes the same without saying so.
    WriteSilently { path: String, content: String },
    /// Writes what came on standard input to this file, without saying so.
    WritePacket { path: String },
    /// Writes the environment to this file, one `NAME=value` per line, without saying so.
    WriteEnvironment { path: String },
    /// Writes what lies at a path, or why it cannot be read, to another, without saying so.
    CopySilently { from: String, to: String },
    /// Posts this body to the provider at this path, with the key and these headers, and writes the whole answer to a
    /// file, without saying so.
    Post { target: String, headers: Vec<(String, String)>, body: String, save: String },
    /// Makes a symbolic link, without saying so.
    Symlink { path: String, target: String },
    /// Makes a hard link, without saying so.
    HardLink { path: String, target: String },
    /// Leaves a process of another session behind that writes this file when a byte comes out of the pipe `go`.
    WriteLater { path: String, content: String, go: String },
    /// Asks for a tool that is not offered.
    UnknownTool(String),
    /// Asks for a tool and is denied; the denial is repeated by the closing event.
    Denied { tool: String, path: String },
    /// `system/api_retry`.
    Retry { attempt: u32, status: Option<u16>, error: String },
    /// The message with which the real one reports a failure on the way to the provider.
    ApiError { status: Option<u16>, error: String, text: String },
    /// Prints these bytes as they are.
    Raw(String),
    /// Prints this many lines of this many bytes.
    Flood { lines: u64, bytes: usize },
    /// Prints on standard error.
    Complain(String),
    /// Prints an event of an unknown type every so often, for ever.
    Babble { every_ms: u64 },
    /// Does nothing, for ever.
    Hang,
    /// Sends itself this signal.
    Signal(i32),
    /// The closing event.
    Result {
        subtype: String,
        is_error: bool,
        status: Option<u16>,
        terminal_reason: String,
        stop_reason: Option<String>,
    },
    /// Does one of two things, by what the packet says.
    IfPacketSays { text: String, then: Vec<Step>, otherwise: Vec<Step> },
    /// Ends with this code.
    Exit(i32),
}
