//! `rust-loop URL OUT raw|json`: messages of a feed into a file, one on each line.
//!
//! `raw` copies the payloads; `json` parses each and writes it again. No product: the
//! yardstick for programs of this kind.

use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Write};

use futures_util::StreamExt;
use serde_json::Value;
use tokio_tungstenite::{connect_async, tungstenite::Message};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, path, mode] = arguments.as_slice() else {
        return Err("usage: rust-loop URL OUT raw|json".into());
    };
    let (mut feed, _) = connect_async(url.as_str()).await?;
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
    while let Some(message) = feed.next().await {
        let text = match message? {
            Message::Text(text) => text,
            Message::Close(_) => break,
            _ => continue,
        };
        if mode == "json" {
            let value: Value = serde_json::from_str(&text)?;
            serde_json::to_writer(&mut out, &value)?;
        } else {
            out.write_all(text.as_bytes())?;
        }
        out.write_all(b"\n")?;
    }
    out.flush()?;
    Ok(())
}
