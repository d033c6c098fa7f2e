//! Ranks notes by how well they match a query.

mod index;

use index::Index;
use kavi_sdk::prelude::*;

const DEFAULT_LIMIT: usize = 10;

#[derive(Deserialize)]
struct Input {
    query: String,
    limit: Option<usize>,
}

#[derive(Serialize)]
struct Output {
    searched: usize,
    hits: Vec<Hit>,
}

#[derive(Serialize)]
struct Hit {
    path: String,
    score: f64,
}

fn round(score: f64) -> f64 {
    (score * 10_000.0).round() / 10_000.0
}

fn build(folder: &str, index: &mut Index) -> Result<(), SkillError> {
    for entry in vault::list(folder)? {
        if entry.is_folder() {
            build(entry.path(), index)?;
        } else if entry.is_file() && entry.name().ends_with(".md") {
            let bytes = vault::read_bytes(entry.path())?;
            index.add(entry.path(), &String::from_utf8_lossy(&bytes));
        }
    }
    Ok(())
}

fn run(input: Input) -> Result<Output, SkillError> {
    let terms = index::words(&input.query);
    if terms.is_empty() {
        return Err(SkillError::invalid_input("`query` has no word"));
    }
    let mut index = Index::default();
    build("", &mut index)?;
    let mut hits: Vec<Hit> = index
        .scores(&terms)
        .into_iter()
        .map(|(path, score)| Hit {
            path,
            score: round(score),
        })
        .collect();
    hits.sort_by(|a, b| {
        b.score
            .total_cmp(&a.score)
            .then_with(|| a.path.cmp(&b.path))
    });
    hits.truncate(input.limit.unwrap_or(DEFAULT_LIMIT));
    Ok(Output {
        searched: index.len(),
        hits,
    })
}

kavi_sdk::export_skill!(run);

#[cfg(test)]
mod tests {
    use super::*;
    use kavi_sdk::testing::{call, seed};

    fn paths(output: &Value) -> Vec<&str> {
        let hits = output["hits"].as_array().unwrap();
        hits.iter()
            .map(|hit| hit["path"].as_str().unwrap())
            .collect()
    }

    #[test]
    fn ranks_by_relevance() {
        seed("fruit.md", "apple apple banana");
        seed("deep/pie.md", "an apple pie with cream and sugar");
        seed("other.md", "nothing of interest");
        seed("apple.txt", "apple");
        let output = call(run, json!({ "query": "Apple!" })).unwrap();
        assert_eq!(paths(&output), ["fruit.md", "deep/pie.md"]);
        assert_eq!(output["searched"], 3);
    }

    #[test]
    fn scores_are_those_of_bm25() {
        seed("a.md", "apple pie");
        seed("b.md", "cherry pie");
        assert_eq!(
            call(run, json!({ "query": "apple" })),
            Ok(json!({ "searched": 2, "hits": [{ "path": "a.md", "score": 0.6931 }] }))
        );
        seed("c.md", "apple apple cherry cherry");
        assert_eq!(
            call(run, json!({ "query": "apple cherry" })),
            Ok(json!({
                "searched": 3,
                "hits": [
                    { "path": "c.md", "score": 1.1332 },
                    { "path": "a.md", "score": 0.5235 },
                    { "path": "b.md", "score": 0.5235 },
                ],
            }))
        );
    }

    #[test]
    fn gives_no_more_than_the_limit() {
        for n in 0..12 {
            seed(format!("n{n:02}.md"), "same words");
        }
        let output = call(run, json!({ "query": "words", "limit": 2 })).unwrap();
        assert_eq!(paths(&output), ["n00.md", "n01.md"]);
        let output = call(run, json!({ "query": "words" })).unwrap();
        assert_eq!(paths(&output).len(), 10);
    }

    #[test]
    fn an_empty_vault_has_no_hits() {
        assert_eq!(
            call(run, json!({ "query": "x" })),
            Ok(json!({ "searched": 0, "hits": [] }))
        );
    }

    #[test]
    fn a_query_without_words_is_refused() {
        for query in ["", " ?! "] {
            let got = call(run, json!({ "query": query }));
            assert!(matches!(got, Err(SkillError::InvalidInput(_))), "{got:?}");
        }
    }
}
