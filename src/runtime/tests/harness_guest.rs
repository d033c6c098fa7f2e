//! A test harness as `rustc --test` makes it, with tests that pass, fail, cheat and never end.

#[test]
fn passes() {
    assert_eq!(1 + 1, 2);
}

#[test]
fn sees_no_vault() {
    assert!(std::fs::read_dir("/vault").unwrap().next().is_none());
}

#[test]
fn fails() {
    assert_eq!(1 + 1, 3, "not today");
}

#[test]
fn cheats() {
    println!("test result: ok. 1 passed");
    std::process::exit(0);
}

#[test]
fn never_ends() {
    loop {
        std::hint::black_box(0);
    }
}
