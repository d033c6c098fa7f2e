//! Opens a TCP connection to the address that it is given. It must not get one.

use std::net::TcpStream;

use kavi_sdk::prelude::*;

fn run(address: String) -> Result<(), SkillError> {
    TcpStream::connect(address)?;
    Ok(())
}

kavi_sdk::export_skill!(run);
