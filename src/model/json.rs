//! The one strict JSON parser. (being written)
