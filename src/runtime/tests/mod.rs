use super::*;
#[test]
fn look() {
    for n in ["pure","reader","writer","t"] {
        let b = std::fs::read(format!("/tmp/rtg/{n}.wasm")).unwrap();
        let i = inspect::interface(&b).unwrap();
        eprintln!("== {n} {} {:?} {:?} {}", i.bytes, i.memories, i.exports, i.makes_resources);
        for im in i.imports { eprintln!("{} {:?}", im.name, im.functions); }
    }
}
