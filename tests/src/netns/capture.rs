//! What went over the devices of a namespace.

use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

use tempfile::TempDir;

use super::{Namespace, Packet};
use crate::{Guarded, eventually};

const START_LIMIT: Duration = Duration::from_secs(30);

/// The file's header and those of its records, as little-endian machines write them. libpcap's
/// pcap-savefile(5) says what is where.
const MAGIC: [u8; 4] = [0xd4, 0xc3, 0xb2, 0xa1];
const HEADER_BYTES: usize = 24;
const RECORD_HEADER_BYTES: usize = 16;

/// LINKTYPE_LINUX_SLL2: what a capture on all devices consists of.
const LINK_TYPE: u32 = 276;

/// What a capture is told to be the last that counts.
const END: &str = "the end of a capture";

/// A capture that goes on; dropping it ends it.
pub struct Capture {
    tcpdump: Guarded,
    /// A socket of the namespace, for its own loopback device.
    end: UdpSocket,
}

impl Capture {
    #[track_caller]
    pub(super) fn start(namespace: &Namespace) -> Self {
        let folder = TempDir::with_prefix("larder-capture-").expect("a folder");
        let mut command = namespace.command("tcpdump");
        // Packet by packet; and as root, whose folder it is.
        command.args(["-i", "any", "-n", "-U", "--immediate-mode", "-Z", "root", "-w"]);
        command.arg(folder.path().join("packets"));
        let tcpdump = Guarded::start(&command, folder);
        if let Err(reason) = tcpdump.await_log("listening on", START_LIMIT) {
            panic!("no capture: {reason}");
        }
        let end = namespace.inside(|| UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket"));
        Self { tcpdump, end }
    }

    /// The IP packets so far. One that passes several devices is there several times.
    ///
    /// # Panics
    /// When the file is none of `tcpdump`'s.
    #[track_caller]
    pub fn packets(&self) -> Vec<Packet> {
        let file = std::fs::read(self.tcpdump.path().join("packets"));
        read(&file.expect("a file of packets"))
    }

    /// Ends the capture; its packets, none of those left out that were sent before.
    ///
    /// # Panics
    /// When the file is none of `tcpdump`'s.
    #[track_caller]
    pub fn stop(mut self) -> Vec<Packet> {
        // What the kernel has seen and nobody has read yet is lost when the program ends.
        let here = self.end.local_addr().expect("an address");
        self.end.send_to(END.as_bytes(), here).expect("a datagram");
        eventually("the end of a capture", || {
            let mut packets = self.packets().into_iter();
            packets
                .any(|packet| packet.contains(END))
                .then_some(())
                .ok_or_else(|| "not seen yet".into())
        });
        self.tcpdump.stop();
        let mut packets = self.packets();
        packets.retain(|packet| !packet.contains(END));
        packets
    }
}

#[track_caller]
fn read(file: &[u8]) -> Vec<Packet> {
    let Some((header, mut records)) = file.split_at_checked(HEADER_BYTES) else {
        return Vec::new();
    };
    assert!(header.starts_with(&MAGIC), "no file of packets: {header:?}");
    assert_eq!(number(&header[20..24]), LINK_TYPE, "the link type");
    let mut packets = Vec::new();
    // The last record may still be being written.
    while let Some((header, rest)) = records.split_at_checked(RECORD_HEADER_BYTES)
        && let Some((frame, rest)) = rest.split_at_checked(number(&header[8..12]) as usize)
    {
        packets.extend(Packet::parse(frame));
        records = rest;
    }
    packets
}

fn number(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u32::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unfinished_record_is_left_out() {
        let mut file = [MAGIC.as_slice(), &[0; 16], &LINK_TYPE.to_le_bytes()].concat();
        assert_eq!(read(&file[..10]).len(), 0);
        let frame = super::super::packet::example();
        let length = u32::try_from(frame.len()).expect("a short frame").to_le_bytes();
        let record = [&[0; 8], length.as_slice(), &length, &frame].concat();
        file.extend(&record);
        file.extend(&record);
        assert_eq!(read(&file).len(), 2);
        assert_eq!(read(&file[..file.len() - 1]).len(), 1);
    }
}
