//! Appends messages to a file, one line each: for rehearsals, and for shops that copy them into a phone by hand.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;

use crate::adapters::notify::{Notify, Parcel, Receipt};

/// The file.
pub struct Print {
    path: PathBuf,
}

impl Print {
    /// Messages go to the end of `path`.
    pub fn new(path: PathBuf) -> Print {
        Print { path }
    }

    fn append(&self, parcels: &[Parcel]) -> std::io::Result<()> {
        let mut lines = String::new();
        for parcel in parcels {
            let text = parcel.text.replace(['\n', '\r'], " ");
            lines.push_str(&format!("{}\t{}\t{}\t{text}\n", parcel.id, parcel.audience, parcel.phone));
        }
        let mut options = OpenOptions::new();
        options.create(true).append(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            options.mode(0o600);
        }
        let mut file = options.open(&self.path)?;
        file.write_all(lines.as_bytes())
    }
}

impl Notify for Print {
    fn name(&self) -> &str {
        "print"
    }

    fn send(&self, parcels: &[Parcel]) -> Vec<Receipt> {
        let receipt = match self.append(parcels) {
            Ok(()) => Receipt::Sent { said: String::new() },
            Err(error) => Receipt::Later { said: error.to_string() },
        };
        vec![receipt; parcels.len()]
    }
}
