//! The gateway at work: connections, the order of the checks, and the way of an answer.
//!
//! Guarantees: a bounded number of connections and threads, each with a deadline; one exchange with the provider at a
//! time, so that what one costs is known before the next; when the agent goes away the provider is left too; every
//! request that was sent has one line in the log. Never: contacts anybody for a request that it refuses.

use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::net::TcpListener;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, Builder, Scope};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use ureq::Agent;

use super::ask::{self, MAX_BODY, Objection};
use super::budget::{Budget, Limit, Limits, Tokens};
use super::http::{self, Answer, Client, Head, Opening, Refusal};
use super::log::{Account, End, Line, Log};
use super::upstream::{ENDPOINT, Failure, Incoming, Outgoing, Provider, REQUEST_HEADERS};
use super::usage::{Form, Meter};
use crate::model::time::Clock;
use crate::sync::lock;

/// Connections at a time.
const MAX_CONNECTIONS: usize = 16;
/// How long a head, a body, and one piece of an answer may take on the way from and to the agent.
const HEAD_TIME: Duration = Duration::from_secs(10);
const BODY_TIME: Duration = Duration::from_secs(60);
const PIECE_TIME: Duration = Duration::from_secs(60);
/// How long what a refused agent still sends is taken, so that it gets to reading the refusal.
const LINGER: Duration = Duration::from_secs(2);
/// A pause after a connection that could not be accepted.
const BREATH: Duration = Duration::from_millis(10);
/// The status of what the budget forbids. Not 429, which asks the agent to try again later.
const SPENT: u16 = 403;

/// Where connections come from.
#[derive(Debug)]
pub(super) enum Listener {
    Unix(UnixListener),
    Tcp(TcpListener),
}

impl Listener {
    fn accept(&self) -> io::Result<Client> {
        let client = match self {
            Self::Unix(listener) => listener.accept().map(|(stream, _)| Client::Unix(stream)),
            Self::Tcp(listener) => listener.accept().map(|(stream, _)| Client::Tcp(stream)),
        }?;
        // Some systems hand the listener's manner down.
        match &client {
            Client::Unix(stream) => stream.set_nonblocking(false)?,
            Client::Tcp(stream) => {
                stream.set_nonblocking(false)?;
                stream.set_nodelay(true)?;
            }
        }
        Ok(client)
    }

    pub(super) fn set_nonblocking(&self) -> io::Result<()> {
        match self {
            Self::Unix(listener) => listener.set_nonblocking(true),
            Self::Tcp(listener) => listener.set_nonblocking(true),
        }
    }

    fn fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Unix(listener) => listener.as_fd(),
            Self::Tcp(listener) => listener.as_fd(),
        }
    }
}

/// Why a request goes no further.
enum Stop {
    Refused(Refusal),
    Spent(Limit),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Limit> for Stop {
    fn from(limit: Limit) -> Self {
        Self::Spent(limit)
    }
}

/// What a request that was understood wants.
enum Wish {
    /// To know whether somebody is here.
    Hello,
    /// To ask the provider, and how dear that can be.
    Ask(Outgoing, Tokens),
}

/// The gateway of one attempt.
pub(super) struct Server<'a> {
    provider: &'a Provider,
    clock: &'a dyn Clock,
    token: &'a str,
    limits: Limits,
    budget: Mutex<Budget>,
    log: Mutex<Log>,
    /// Held while the provider is asked.
    turn: Mutex<()>,
    clients: Mutex<BTreeMap<u64, Client>>,
    closing: AtomicBool,
}

impl<'a> Server<'a> {
    pub(super) fn new(provider: &'a Provider, limits: Limits, clock: &'a dyn Clock, token: &'a str) -> Self {
        Self {
            provider,
            clock,
            token,
            limits,
            budget: Mutex::new(Budget::new(limits)),
            log: Mutex::default(),
            turn: Mutex::default(),
            clients: Mutex::default(),
            closing: AtomicBool::new(false),
        }
    }

    /// Takes connections until the other end of `leash` is gone.
    pub(super) fn run<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>, listener: &Listener, leash: &UnixStream) {
        for number in 0.. {
            let mut fds = [PollFd::from_borrowed_fd(listener.fd(), PollFlags::IN), PollFd::new(leash, PollFlags::IN)];
            let polled = poll(&mut fds, None);
            if self.closing.load(Ordering::SeqCst) || polled.is_err_and(|error| error != rustix::io::Errno::INTR) {
                return;
            }
            let client = match listener.accept() {
                Ok(client) => client,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(_) => {
                    // Descriptors that will come back: not a reason to spin.
                    thread::sleep(BREATH);
                    continue;
                }
            };
            // What cannot be served is dropped, and so closed.
            let Ok(handle) = client.try_clone() else { continue };
            if !self.enter(number, handle) {
                continue;
            }
            let served = Builder::new().spawn_scoped(scope, move || {
                self.serve(number, client);
                lock(&self.clients).remove(&number);
            });
            if served.is_err() {
                lock(&self.clients).remove(&number);
            }
        }
    }

    /// Ends every connection. No new one is served after this.
    pub(super) fn close(&self) {
        let clients = lock(&self.clients);
        self.closing.store(true, Ordering::SeqCst);
        clients.values().for_each(Client::end);
    }

    /// What the attempt did here.
    pub(super) fn account(self) -> Account {
        let budget = self.budget.into_inner().unwrap_or_else(PoisonError::into_inner);
        let log = self.log.into_inner().unwrap_or_else(PoisonError::into_inner);
        log.close(self.limits, budget.used(), budget.crossed())
    }

    fn enter(&self, number: u64, handle: Client) -> bool {
        let mut clients = lock(&self.clients);
        let free = clients.len() < MAX_CONNECTIONS && !self.closing.load(Ordering::SeqCst);
        if free {
            clients.insert(number, handle);
        }
        free
    }

    /// One connection, which is one request.
    fn serve(&self, number: u64, mut client: Client) {
        let began = Instant::now();
        let mut line = Line::begin(self.clock.now());
        if client.write_patience(PIECE_TIME).is_err() {
            return;
        }
        line.end = match http::read_head(&mut client, began + HEAD_TIME) {
            Err(_) | Ok(Opening::Nothing) => return,
            Ok(Opening::Refused(refusal)) => stop_at(&mut client, Stop::Refused(refusal), &mut line),
            Ok(Opening::Head(head, begun)) => {
                line.asked(&head.method, &head.target);
                match self.understand(&mut client, &head, begun, &mut line) {
                    Err(stop) => stop_at(&mut client, stop, &mut line),
                    Ok(Wish::Hello) => {
                        line.status = http::greet(&mut client).is_ok().then_some(200);
                        End::Greeted
                    }
                    Ok(Wish::Ask(question, dearest)) => self.relay(&mut client, question, dearest, &mut line),
                }
            }
        };
        line.duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        lock(&self.log).push(number, line);
        client.fall_silent();
        linger(&mut client);
        client.end();
    }

    /// Every check there is, in order of what it costs.
    fn understand(&self, client: &mut Client, head: &Head, begun: Vec<u8>, line: &mut Line) -> Result<Wish, Stop> {
        if (head.method.as_str(), head.target.as_str()) == ("HEAD", "/") {
            return Ok(Wish::Hello);
        }
        // Only who knows the word can spend the budget.
        self.know(head)?;
        lock(&self.budget).open()?;
        let query = match (head.method.as_str(), head.target.as_str().split_at_checked(ENDPOINT.len())) {
            ("POST", Some((ENDPOINT, ""))) => "",
            ("POST", Some((ENDPOINT, "?beta=true"))) => "?beta=true",
            _ => return Err(Refusal::new(403, "only POST /v1/messages goes through").into()),
        };
        let length = head.body_length()?;
        if length > MAX_BODY {
            return Err(Refusal::new(413, "the body of the request is too long").into());
        }
        let mut headers = Vec::new();
        for name in REQUEST_HEADERS {
            headers.extend(head.header(name)?.map(|value| (name, value.to_vec())));
        }
        line.bytes_up = u64::try_from(length).unwrap_or(u64::MAX);
        lock(&self.budget).take(line.bytes_up)?;
        let body = http::read_body(client, begun, length, Instant::now() + BODY_TIME)?;
        let question = ask::check(&body).map_err(|objection| match objection {
            Objection::Malformed(why) => Refusal::new(400, why),
            Objection::Reaching(why) => Refusal::new(403, why),
        })?;
        // A token is seldom less than two bytes.
        let dearest = Tokens { input: line.bytes_up.div_ceil(2), output: question.max_tokens };
        Ok(Wish::Ask(Outgoing { query, headers, body }, dearest))
    }

    /// The agent shows the word that it was given, in either of the two places where its library puts it.
    fn know(&self, head: &Head) -> Result<(), Refusal> {
        let plain = head.header("x-api-key")?.is_some_and(|word| word == self.token.as_bytes());
        let bearer = head.header("authorization")?.and_then(|value| value.strip_prefix(b"Bearer "));
        if plain || bearer.is_some_and(|word| word == self.token.as_bytes()) {
            return Ok(());
        }
        Err(Refusal::new(401, "this is not the word of the attempt"))
    }

    /// Asks the provider when it is this request's turn, and leaves it when the agent goes away.
    fn relay(&self, client: &mut Client, question: Outgoing, dearest: Tokens, line: &mut Line) -> End {
        let _turn = lock(&self.turn);
        if self.closing.load(Ordering::SeqCst) {
            return End::Abandoned;
        }
        let asked = lock(&self.budget).ask();
        if let Err(limit) = asked {
            return stop_at(client, Stop::Spent(limit), line);
        }
        let agent = self.provider.agent();
        let gone = AtomicBool::new(false);
        let busy = Stop::Refused(Refusal::new(503, "this machine is too busy"));
        let Ok(ear) = client.try_clone() else { return stop_at(client, busy, line) };
        thread::scope(|scope| {
            let (agent_there, gone) = (agent.clone(), &gone);
            let listening = Builder::new().spawn_scoped(scope, move || {
                hear_the_end(ear);
                gone.store(true, Ordering::SeqCst);
                agent_there.shutdown();
            });
            if listening.is_err() {
                return stop_at(client, busy, line);
            }
            let end = self.exchange(client, &agent, question, dearest, line);
            let left = gone.load(Ordering::SeqCst);
            client.end();
            match end {
                End::BrokenOff(_) if left => End::Abandoned,
                end => end,
            }
        })
    }

    fn exchange(
        &self,
        client: &mut Client,
        agent: &Agent,
        question: Outgoing,
        dearest: Tokens,
        line: &mut Line,
    ) -> End {
        let fail = |client: &mut Client, line: &mut Line, why| {
            stop_at(client, Stop::Refused(Refusal::new(502, why)), line);
        };
        let answer = match self.provider.ask(agent, question) {
            Ok(answer) => answer,
            Err(Failure::NotReached(why)) => {
                fail(client, line, why);
                return End::Unreachable(why);
            }
            Err(Failure::NoAnswer(why)) => {
                self.charge(dearest, line);
                fail(client, line, why);
                return End::BrokenOff(why);
            }
        };
        let answered = (200..300).contains(&answer.status);
        if !answered && !(400..600).contains(&answer.status) {
            let why = "the provider points elsewhere, and nobody goes there";
            fail(client, line, why);
            return End::Unreachable(why);
        }
        let mut meter = Meter::new(Form::of(answer.content_type()), dearest);
        let end = self.hand_on(client, answer, &mut meter, line);
        if answered {
            self.charge(meter.finish(), line);
        }
        end
    }

    fn charge(&self, tokens: Tokens, line: &mut Line) {
        line.tokens = tokens;
        lock(&self.budget).charge(tokens);
    }

    /// Hands an answer on, piece by piece as it comes. One that is cut off is not finished, so that it reads so.
    fn hand_on(&self, client: &mut Client, mut answer: Incoming, meter: &mut Meter, line: &mut Line) -> End {
        let mut blotter = self.provider.key.blotter();
        let headers: Vec<_> = answer.headers.iter().map(|(name, value)| (*name, self.without_key(value))).collect();
        let Ok(mut out) = Answer::begin(client, answer.status, &headers) else { return End::Abandoned };
        line.status = Some(answer.status);
        let mut buffer = [0; 16 * 1024];
        loop {
            let got = match answer.body.read(&mut buffer) {
                Ok(0) => break,
                Ok(got) => got,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return End::BrokenOff("the provider's answer broke off"),
            };
            meter.push(&buffer[..got]);
            if let Err(end) = self.piece(&mut out, &blotter.push(&buffer[..got]), line) {
                return end;
            }
        }
        if let Err(end) = self.piece(&mut out, &blotter.finish(), line) {
            return end;
        }
        if out.finish().is_ok() { End::Answered } else { End::Abandoned }
    }

    fn without_key(&self, value: &str) -> String {
        String::from_utf8_lossy(&self.provider.key.blot(value.as_bytes())).into_owned()
    }

    fn piece(&self, out: &mut Answer<'_>, bytes: &[u8], line: &mut Line) -> Result<(), End> {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        lock(&self.budget).give(length).map_err(End::Spent)?;
        line.bytes_down = line.bytes_down.saturating_add(length);
        out.piece(bytes).map_err(|_| End::Abandoned)
    }
}

/// Answers a request that goes no further.
fn stop_at(client: &mut Client, stop: Stop, line: &mut Line) -> End {
    let (refusal, end) = match stop {
        Stop::Refused(refusal) => (refusal, End::Refused(refusal.why)),
        Stop::Spent(limit) => {
            let why = match limit {
                Limit::MaxRequests => "the attempt's budget is spent: max_requests",
                Limit::MaxRequestBytes => "the attempt's budget is spent: max_request_bytes",
                Limit::MaxResponseBytes => "the attempt's budget is spent: max_response_bytes",
                Limit::MaxInputTokens => "the attempt's budget is spent: max_input_tokens",
                Limit::MaxOutputTokens => "the attempt's budget is spent: max_output_tokens",
            };
            (Refusal::new(SPENT, why), End::Spent(limit))
        }
    };
    line.status = http::refuse(client, refusal).is_ok().then_some(refusal.status);
    end
}

/// Waits until the agent has gone, or has sent what it should not: after its request there is nothing to say.
fn hear_the_end(mut client: Client) {
    if client.patience(None).is_err() {
        return;
    }
    loop {
        match client.read(&mut [0; 64]) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            _ => return,
        }
    }
}

/// Takes what is still on its way, for a moment: a connection that is closed with something unread is reset, and the
/// other side may never see the answer.
fn linger(client: &mut Client) {
    let until = Instant::now() + LINGER;
    let mut buffer = [0; 16 * 1024];
    let mut room = 2 * MAX_BODY;
    while room > 0 {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() || client.patience(Some(left)).is_err() {
            return;
        }
        match client.read(&mut buffer) {
            Ok(got) if got > 0 => room = room.saturating_sub(got),
            _ => return,
        }
    }
}
