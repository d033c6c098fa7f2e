//! Calls of a skill that its test asks for, on their way out of the instance of the test.
//!
//! The thread of a guest is restricted to the folders of its run, and so is every thread that it starts. So a call leaves
//! through a channel, and whoever started the test answers it on another thread.
//!
//! Guarantees: where nobody answers there is no call, and the test program calls its own copy of the function.
//! Deliberately never: decides which component answers.

use std::sync::mpsc;

use super::outcome::{GuestError, LogLine};
use crate::model::{
    exchange::{HttpFailureKind, HttpReply},
    signing::SigningFailureKind,
};

/// What a test says that one request or one signature of a call gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TestAnswer {
    /// A response.
    Reply {
        /// The URL of the request.
        url: String,
        /// The response.
        reply: HttpReply,
    },
    /// No response.
    NoReply {
        /// The URL of the request.
        url: String,
        /// Why.
        kind: HttpFailureKind,
    },
    /// A signature.
    Signature {
        /// The name of the secret.
        secret: String,
        /// The signature.
        bytes: Vec<u8>,
    },
    /// No signature.
    NoSignature {
        /// The name of the secret.
        secret: String,
        /// Why.
        kind: SigningFailureKind,
    },
}

/// One call that a test asks for.
#[derive(Debug)]
pub struct TestCall {
    /// The name that the compiler gives to the function that the test calls.
    pub function: String,
    /// The input, as JSON.
    pub input: String,
    /// The time that the test has set, in seconds since 1970.
    pub now: Option<i64>,
    /// What its requests and signatures get, each once.
    pub answers: Vec<TestAnswer>,
    /// Where the answer goes.
    pub reply: mpsc::Sender<TestCallAnswer>,
}

/// What a call gave.
#[derive(Debug)]
pub struct TestCallAnswer {
    /// How it ended.
    pub end: TestCallEnd,
    /// What the skill logged. It becomes part of the log of the test.
    pub logs: Vec<LogLine>,
}

impl TestCallAnswer {
    /// The test program is to call the function itself.
    pub fn not_taken() -> Self {
        Self { end: TestCallEnd::NotTaken, logs: Vec::new() }
    }
}

/// How a call ended.
#[derive(Debug)]
pub enum TestCallEnd {
    /// The function is not the exported one.
    NotTaken,
    /// The skill returned.
    Returned(Result<String, GuestError>),
    /// The skill was ended by a trap, a limit or a deadline. The test ends too.
    Stopped(String),
}

/// A call as the guest asks for it.
pub(super) struct AskedCall {
    pub(super) function: String,
    pub(super) input: String,
    pub(super) now: Option<i64>,
    pub(super) answers: Vec<TestAnswer>,
}

/// The way out for the calls of one test.
#[derive(Debug, Clone)]
pub struct TestCalls(mpsc::Sender<TestCall>);

impl TestCalls {
    /// The way out, and its other end.
    pub fn new() -> (Self, mpsc::Receiver<TestCall>) {
        let (sender, receiver) = mpsc::channel();
        (Self(sender), receiver)
    }

    /// Asks, and waits for the answer.
    pub(super) fn ask(&self, asked: AskedCall) -> TestCallAnswer {
        let AskedCall { function, input, now, answers } = asked;
        let (reply, answer) = mpsc::channel();
        let asked = self.0.send(TestCall { function, input, now, answers, reply });
        // Without the other end nobody answers.
        asked.ok().and_then(|()| answer.recv().ok()).unwrap_or_else(TestCallAnswer::not_taken)
    }
}
