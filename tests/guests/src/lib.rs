//! Nothing: the guests are the examples beside this file.
