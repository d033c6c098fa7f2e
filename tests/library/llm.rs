//! The client for model servers against servers that behave and servers that do not.

use std::{error::Error, time::Duration};

use crate::support::openai_api::{Answer, MODEL, OpenAiApi, nobody};
use kavi::llm::{AdviceClient, AdviceClientSettings, MAX_RESPONSE_BYTES, ModelReply, ModelUnavailable};
use serde_json::json;

type Outcome = Result<(), Box<dyn Error>>;

fn client(base_url: &str, model: Option<&str>, timeout: Duration) -> Result<AdviceClient, Box<dyn Error>> {
    let settings = AdviceClientSettings {
        base_url: base_url.parse()?,
        model: model.map(str::to_owned),
        timeout,
        prompt_chars: 1_000,
    };
    Ok(AdviceClient::new(settings))
}

fn ask(api: &OpenAiApi, timeout: Duration) -> Result<Result<ModelReply, ModelUnavailable>, Box<dyn Error>> {
    Ok(client(&api.base_url(), None, timeout)?.ask("be brief", "why?"))
}

const PLENTY: Duration = Duration::from_secs(60);
const LITTLE: Duration = Duration::from_millis(300);

#[test]
fn a_question_gets_its_answer_and_carries_nothing_else() -> Outcome {
    let api = OpenAiApi::start(Answer::says("because"))?;
    let prompt = "ü".repeat(5_000);
    let reply = client(&api.base_url(), None, PLENTY)?.ask("be brief", &prompt)?;
    assert_eq!(reply, ModelReply { model: MODEL.to_owned(), text: "because".to_owned() });
    let requests = api.requests();
    let shape: Vec<_> = requests.iter().map(|request| (request.method.as_str(), request.path.as_str())).collect();
    assert_eq!(shape, [("GET", "/v1/models"), ("POST", "/v1/chat/completions")]);
    let body = &requests[1].body;
    assert_eq!(
        body["messages"][1]["content"].as_str().map(|text| text.chars().count()),
        Some(1_000),
        "the bound holds"
    );
    assert_eq!((&body["model"], &body["stream"]), (&json!(MODEL), &json!(false)));
    for request in &requests {
        let names: Vec<&str> = request.headers.iter().map(|(name, _)| name.as_str()).collect();
        assert!(!names.iter().any(|name| ["authorization", "cookie", "referer"].contains(name)), "{names:?}");
    }
    Ok(())
}

#[test]
fn only_the_model_that_is_named_is_asked() -> Outcome {
    let api = OpenAiApi::with_models(Answer::models(&["other", MODEL]), Answer::says("x"))?;
    assert_eq!(client(&api.base_url(), Some(MODEL), PLENTY)?.health()?, MODEL);
    assert_eq!(client(&api.base_url(), None, PLENTY)?.health()?, "other");
    let missing = client(&api.base_url(), Some("third"), PLENTY)?.ask("", "");
    assert!(matches!(missing, Err(ModelUnavailable::NoModel { .. })), "{missing:?}");
    let empty = OpenAiApi::with_models(Answer::models(&[]), Answer::says("x"))?;
    assert!(matches!(ask(&empty, PLENTY)?, Err(ModelUnavailable::NoModel { .. })));
    assert_eq!(empty.requests().len(), 1, "nothing was asked");
    Ok(())
}

#[test]
fn nobody_there_is_an_outcome() -> Outcome {
    let gone = client(&nobody()?, None, PLENTY)?.ask("", "");
    assert!(matches!(gone, Err(ModelUnavailable::Unreachable { .. })), "{gone:?}");
    for answer in [Answer::HangUp, Answer::Cut] {
        let api = OpenAiApi::start(answer.clone())?;
        let outcome = ask(&api, PLENTY)?;
        assert!(matches!(outcome, Err(ModelUnavailable::Unreachable { .. })), "{answer:?}: {outcome:?}");
    }
    Ok(())
}

#[test]
fn silence_and_a_dripping_answer_end_at_the_deadline() -> Outcome {
    for answer in [Answer::Silence, Answer::Drip] {
        let api = OpenAiApi::start(answer.clone())?;
        let outcome = ask(&api, LITTLE)?;
        assert!(matches!(outcome, Err(ModelUnavailable::Timeout(_))), "{answer:?}: {outcome:?}");
        let deaf = OpenAiApi::with_models(answer.clone(), Answer::says("x"))?;
        assert!(matches!(ask(&deaf, LITTLE)?, Err(ModelUnavailable::Timeout(_))), "{answer:?}");
    }
    Ok(())
}

#[test]
fn an_answer_is_read_up_to_its_cap() -> Outcome {
    let api = OpenAiApi::start(Answer::Flood)?;
    assert!(matches!(ask(&api, PLENTY)?, Err(ModelUnavailable::TooLarge(_))));
    let said = "x".repeat(MAX_RESPONSE_BYTES);
    assert!(matches!(ask(&OpenAiApi::start(Answer::says(&said))?, PLENTY)?, Err(ModelUnavailable::TooLarge(_))));
    Ok(())
}

#[test]
fn a_redirect_is_not_followed() -> Outcome {
    let elsewhere = OpenAiApi::start(Answer::says("from elsewhere"))?;
    let to = format!("{}/chat/completions", elsewhere.base_url());
    let api = OpenAiApi::start(Answer::Redirect(to))?;
    let outcome = ask(&api, PLENTY)?;
    assert!(matches!(outcome, Err(ModelUnavailable::Status { status: 307, .. })), "{outcome:?}");
    let models =
        OpenAiApi::with_models(Answer::Redirect(format!("{}/models", elsewhere.base_url())), Answer::says("x"))?;
    assert!(matches!(ask(&models, PLENTY)?, Err(ModelUnavailable::Status { status: 307, .. })));
    assert!(elsewhere.requests().is_empty(), "{:?}", elsewhere.requests());
    Ok(())
}

#[test]
fn errors_and_other_formats_are_outcomes() -> Outcome {
    for status in [400, 401, 404, 429, 500, 503] {
        let outcome = ask(&OpenAiApi::start(Answer::Status(status))?, PLENTY)?;
        assert!(
            matches!(outcome, Err(ModelUnavailable::Status { status: found, .. }) if found == status),
            "{outcome:?}"
        );
    }
    for odd in [
        Answer::Bytes(b"<html>hello</html>".to_vec()),
        Answer::Bytes(b"\xff\xfe".to_vec()),
        Answer::Bytes(Vec::new()),
        Answer::Json(json!({ "choices": [] })),
        Answer::Json(json!({ "choices": [{ "message": { "content": null } }] })),
        Answer::Json(json!({ "choices": [{ "message": { "content": [1] } }] })),
        Answer::Json(json!([])),
        Answer::Bytes(b"{\"choices\":[],\"choices\":[]}".to_vec()),
        Answer::Bytes("[".repeat(100_000).into_bytes()),
    ] {
        let outcome = ask(&OpenAiApi::start(odd.clone())?, PLENTY)?;
        assert!(matches!(outcome, Err(ModelUnavailable::InvalidResponse { .. })), "{odd:?}: {outcome:?}");
    }
    Ok(())
}
