//! Pages about the engine itself: signed to a program, to a phone with its token, and what is said when nobody takes them.

use bailiwick::model::time::{Span, Timestamp};
use bailiwick::notify::pager::{Page, Pager};
use bailiwick::notify::settings::Secret;
use bailiwick::notify::webhook::Signer;

use crate::signature::is_signed;
use crate::sink::{Answer, Sink};
use crate::support::SECRET;

fn at() -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000).unwrap()
}

fn page(state: &str) -> Page<'_> {
    Page {
        state,
        detail: "no alert of the canary has come",
        at: at(),
        key: "watch/down/1",
    }
}

#[tokio::test]
async fn a_program_is_paged_with_a_signature_and_the_same_key_again() {
    let sink = Sink::start(Answer::Status(500, "")).await;
    let url = format!("http://{}/page", sink.address).parse().unwrap();
    let pager = Pager::webhook(url, Signer::parse(SECRET).unwrap(), &None).unwrap();
    let refused = pager.send(&page("down"), at()).await;
    assert_eq!(refused, Err("HTTP 500".to_owned()));
    sink.answers(Answer::Status(204, ""));
    let later = at() + Span::minutes(1);
    assert_eq!(pager.send(&page("down"), later).await, Ok(()));
    let requests = sink.requests();
    assert_eq!(requests.len(), 2);
    for request in &requests {
        let head = |name: &str| request.headers[name].as_str();
        let heads = (
            head("webhook-id"),
            head("webhook-timestamp"),
            head("webhook-signature"),
        );
        assert_eq!(heads.0, "watch/down/1");
        assert!(is_signed(SECRET, heads, &request.body));
        let body: serde_json::Value = serde_json::from_str(&request.body).unwrap();
        assert_eq!(body["type"], "watch.down");
        assert_eq!(body["timestamp"], at().to_string());
        assert_eq!(body["data"]["detail"], "no alert of the canary has come");
    }
    assert_ne!(
        requests[0].headers["webhook-timestamp"],
        requests[1].headers["webhook-timestamp"]
    );
}

#[tokio::test]
async fn a_phone_rings_for_an_outage_and_not_for_its_end() {
    let sink = Sink::start(Answer::Status(200, "")).await;
    let url = format!("http://{}/on-call", sink.address).parse().unwrap();
    let token = Secret::new("a-token-of-the-service");
    let pager = Pager::push(url, Some(token), &None).unwrap();
    for state in ["down", "well"] {
        pager.send(&page(state), at()).await.unwrap();
    }
    let told = sink.requests().into_iter().map(|request| {
        assert_eq!(request.path, "/on-call");
        assert_eq!(
            request.headers["authorization"],
            "Bearer a-token-of-the-service"
        );
        (
            request.headers["title"].clone(),
            request.headers["priority"].clone(),
        )
    });
    let expected = [("Bailiwick: down", "5"), ("Bailiwick: well", "3")];
    let expected = expected.map(|(title, priority)| (title.to_owned(), priority.to_owned()));
    assert_eq!(told.collect::<Vec<_>>(), expected);
}
