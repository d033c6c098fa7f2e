//! Exit codes.

use super::*;

#[test]
fn exit_codes_are_the_documented_ones() {
    let kinds = [Kind::Failed, Kind::Usage, Kind::Refused, Kind::Verification, Kind::Skill, Kind::Tool, Kind::Internal];
    assert_eq!(kinds.map(Kind::exit_code), [1, 2, 3, 4, 5, 6, 70]);
}
