use kavi_sdk::http::ErrorKind;
use kavi_sdk::testing::{call, fail, respond};

use super::*;

const URL: &str = "https://host.example/item";

#[test]
fn a_document_is_given_whole() {
    respond(URL, 201, "{\"a\": [1, {\"b\": \"c\"}]}");
    let got = call(run, json!({ "url": URL }));
    assert_eq!(got, Ok(json!({ "status": 201, "json": "{\"a\":[1,{\"b\":\"c\"}]}" })));
}

#[test]
fn a_pointer_chooses_a_part() {
    respond(URL, 200, "{\"a\": [1, {\"b\": \"c\"}]}");
    let got = call(run, json!({ "url": URL, "pointer": "/a/1/b" }));
    assert_eq!(got, Ok(json!({ "status": 200, "json": "\"c\"" })));
}

#[test]
fn a_pointer_to_nothing_is_not_found() {
    respond(URL, 200, "{}");
    let got = call(run, json!({ "url": URL, "pointer": "/a" }));
    assert_eq!(got, Err(SkillError::not_found("the document has nothing at `/a`")));
}

#[test]
fn a_status_that_says_no_is_an_error_of_its_kind() {
    respond(URL, 404, "{}");
    assert!(matches!(call(run, json!({ "url": URL })), Err(SkillError::NotFound(_))));
    respond(URL, 500, "{}");
    assert!(matches!(call(run, json!({ "url": URL })), Err(SkillError::Failed(_))));
}

#[test]
fn no_response_and_no_json_are_told_apart_from_a_refusal() {
    fail(URL, ErrorKind::Refused);
    assert!(matches!(call(run, json!({ "url": URL })), Err(SkillError::Denied(_))));
    fail(URL, ErrorKind::Timeout);
    assert!(matches!(call(run, json!({ "url": URL })), Err(SkillError::Failed(_))));
    respond(URL, 200, "<html>");
    assert!(matches!(call(run, json!({ "url": URL })), Err(SkillError::Failed(_))));
}
