//! A small in-memory index with BM25 scoring.

use std::collections::{BTreeMap, BTreeSet};

const K1: f64 = 1.2;
const B: f64 = 0.75;

/// The documents and how often each word is in them.
#[derive(Debug, Default)]
pub struct Index {
    documents: Vec<Document>,
}

#[derive(Debug)]
struct Document {
    path: String,
    length: f64,
    counts: BTreeMap<String, f64>,
}

/// The words of a text, in lower case.
pub fn words(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect()
}

impl Index {
    /// How many documents there are.
    pub fn len(&self) -> usize {
        self.documents.len()
    }

    /// Adds a document.
    pub fn add(&mut self, path: &str, text: &str) {
        let words = words(text);
        let length = words.len() as f64;
        let mut counts = BTreeMap::new();
        for word in words {
            *counts.entry(word).or_insert(0.0) += 1.0;
        }
        self.documents.push(Document {
            path: path.to_owned(),
            length,
            counts,
        });
    }

    /// The documents that have one of the terms, and their scores.
    pub fn scores(&self, terms: &[String]) -> Vec<(String, f64)> {
        let total = self.documents.len() as f64;
        let length: f64 = self.documents.iter().map(|document| document.length).sum();
        let average = length / total;
        let terms: BTreeSet<&String> = terms.iter().collect();
        let weights: Vec<(&String, f64)> = terms
            .into_iter()
            .map(|term| {
                let having = self
                    .documents
                    .iter()
                    .filter(|document| document.counts.contains_key(term))
                    .count() as f64;
                (term, (1.0 + (total - having + 0.5) / (having + 0.5)).ln())
            })
            .collect();
        let mut scores = Vec::new();
        for document in &self.documents {
            let mut score = 0.0;
            for (term, weight) in &weights {
                let Some(count) = document.counts.get(*term) else {
                    continue;
                };
                let norm = K1 * (1.0 - B + B * document.length / average);
                score += weight * count * (K1 + 1.0) / (count + norm);
            }
            if score > 0.0 {
                scores.push((document.path.clone(), score));
            }
        }
        scores
    }
}
