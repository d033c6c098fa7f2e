//! Replays events on a ticket.

use kavi_sdk::prelude::*;

#[derive(Deserialize)]
struct Input {
    #[serde(default)]
    initial: State,
    events: Vec<Event>,
    #[serde(default)]
    options: Options,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Options {
    strict: bool,
    trace: bool,
}

#[derive(Serialize)]
struct Output {
    state: State,
    /// The indexes of the events that did not apply.
    ignored: Vec<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<Vec<State>>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    #[default]
    New,
    Open,
    Blocked,
    Done,
    Closed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Event {
    Start,
    Block,
    Unblock,
    Finish,
    Reopen,
    Close,
}

/// Anything that an event takes from one state to another.
trait Machine: Sized {
    type Event;

    fn next(self, event: &Self::Event) -> Option<Self>;
}

impl Machine for State {
    type Event = Event;

    fn next(self, event: &Event) -> Option<Self> {
        match (self, event) {
            (Self::New, Event::Start) => Some(Self::Open),
            (Self::Open, Event::Block) => Some(Self::Blocked),
            (Self::Blocked, Event::Unblock) => Some(Self::Open),
            (Self::Open, Event::Finish) => Some(Self::Done),
            (Self::Done | Self::Closed, Event::Reopen) => Some(Self::Open),
            (Self::Closed, Event::Close) => None,
            (_, Event::Close) => Some(Self::Closed),
            _ => None,
        }
    }
}

/// The states that a machine goes through, and the indexes of the events that did not apply.
fn replay<M: Machine + Copy>(initial: M, events: &[M::Event]) -> (Vec<M>, Vec<usize>) {
    let mut states = vec![initial];
    let mut ignored = Vec::new();
    let mut current = initial;
    for (index, event) in events.iter().enumerate() {
        match current.next(event) {
            Some(next) => {
                current = next;
                states.push(next);
            }
            None => ignored.push(index),
        }
    }
    (states, ignored)
}

fn run(input: Input) -> Result<Output, SkillError> {
    let (states, ignored) = replay(input.initial, &input.events);
    if let (true, Some(index)) = (input.options.strict, ignored.first()) {
        return Err(SkillError::invalid_input(format!(
            "event {index} does not apply"
        )));
    }
    let state = states.last().copied().unwrap_or(input.initial);
    Ok(Output {
        state,
        ignored,
        trace: input.options.trace.then_some(states),
    })
}

kavi_sdk::export_skill!(run);

#[cfg(test)]
mod tests {
    use super::*;
    use kavi_sdk::testing::call;

    #[test]
    fn replays_events() {
        let events = ["start", "block", "unblock", "finish", "reopen", "close"];
        assert_eq!(
            call(
                run,
                json!({ "events": events, "options": { "trace": true } })
            ),
            Ok(json!({
                "state": "closed",
                "ignored": [],
                "trace": ["new", "open", "blocked", "open", "done", "open", "closed"],
            }))
        );
    }

    #[test]
    fn ignores_events_that_do_not_apply() {
        assert_eq!(
            call(run, json!({ "events": ["finish", "start", "start"] })),
            Ok(json!({ "state": "open", "ignored": [0, 2] }))
        );
        assert_eq!(
            call(
                run,
                json!({ "initial": "closed", "events": ["close", "reopen"] })
            ),
            Ok(json!({ "state": "open", "ignored": [0] }))
        );
    }

    #[test]
    fn strict_refuses_them() {
        let input = json!({ "events": ["start", "unblock"], "options": { "strict": true } });
        let got = call(run, input);
        assert!(matches!(got, Err(SkillError::InvalidInput(_))), "{got:?}");
        let input = json!({ "events": ["start"], "options": { "strict": true } });
        assert!(call(run, input).is_ok());
    }

    #[test]
    fn no_events_leave_the_ticket_as_it_is() {
        assert_eq!(
            call(run, json!({ "events": [] })),
            Ok(json!({ "state": "new", "ignored": [] }))
        );
        assert_eq!(
            call(run, json!({ "initial": "blocked", "events": [] })),
            Ok(json!({ "state": "blocked", "ignored": [] }))
        );
    }

    #[test]
    fn unknown_events_are_refused() {
        let got = call(run, json!({ "events": ["explode"] }));
        assert!(matches!(got, Err(SkillError::InvalidInput(_))), "{got:?}");
    }
}
