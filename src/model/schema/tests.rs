use super::*;
#[test]
fn smoke() -> Result<(), SchemaError> {
    let io = IoSchema::parse(
        r#"{"input":{"title":"str","n?":"int","tags":["str"],"m":"dict[str,float]"},"output":{"path":"str"}}"#,
    )?;
    println!("{} {}", io.canonical_text(), io.example_input());
    for v in generate::vectors(io.input(), 1, 40) {
        println!("{v:?}");
    }
    Ok(())
}
