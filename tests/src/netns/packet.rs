//! One packet of a capture.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const LINK_HEADER_BYTES: usize = 20;
const IPV6_HEADER_BYTES: usize = 40;
const UDP_HEADER_BYTES: usize = 8;
const DNS_HEADER_BYTES: usize = 12;
const DNS_PORT: u16 = 53;

/// What an IP packet carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// A segment of TCP.
    Tcp,
    /// A datagram of UDP.
    Udp,
    /// Something else, by its number.
    Other(u8),
}

/// An IP packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// What it carries.
    pub protocol: Protocol,
    /// Whose it is.
    pub source: IpAddr,
    /// Whom it is for.
    pub destination: IpAddr,
    /// From which port; 0 where there are none.
    pub source_port: u16,
    /// To which port; 0 where there are none.
    pub destination_port: u16,
    /// What follows the headers.
    pub payload: Vec<u8>,
}

impl Packet {
    /// The packet in a frame of a capture on all devices; `None` for what is not IP, such as ARP.
    pub(super) fn parse(frame: &[u8]) -> Option<Self> {
        let (link, packet) = frame.split_at_checked(LINK_HEADER_BYTES)?;
        let (protocol, source, destination, content) = match link[..2] {
            [0x08, 0x00] => ipv4(packet)?,
            [0x86, 0xdd] => ipv6(packet)?,
            _ => return None,
        };
        let (protocol, header_bytes) = match protocol {
            6 => (Protocol::Tcp, usize::from(content.get(12)? >> 4) * 4),
            17 => (Protocol::Udp, UDP_HEADER_BYTES),
            other => (Protocol::Other(other), 0),
        };
        let [source_port, destination_port] =
            if header_bytes == 0 { [0, 0] } else { [port(content, 0)?, port(content, 2)?] };
        let payload = content.get(header_bytes..)?.to_vec();
        Some(Self { protocol, source, destination, source_port, destination_port, payload })
    }

    /// Whether the word stands somewhere in the payload.
    pub fn contains(&self, word: &str) -> bool {
        self.payload.windows(word.len()).any(|window| window == word.as_bytes())
    }

    /// The name that it asks for, or answers about, when it is a datagram of DNS.
    pub fn dns_name(&self) -> Option<String> {
        let is_dns = [self.source_port, self.destination_port].contains(&DNS_PORT);
        if self.protocol != Protocol::Udp || !is_dns {
            return None;
        }
        let mut rest = self.payload.get(DNS_HEADER_BYTES..)?;
        let mut labels = Vec::new();
        loop {
            let (&length, after) = rest.split_first()?;
            if length == 0 {
                return Some(labels.join("."));
            }
            let (label, after) = after.split_at_checked(usize::from(length))?;
            labels.push(String::from_utf8_lossy(label).into_owned());
            rest = after;
        }
    }
}

type Ip<'a> = (u8, IpAddr, IpAddr, &'a [u8]);

fn ipv4(packet: &[u8]) -> Option<Ip<'_>> {
    let header_bytes = usize::from(packet.first()? & 0x0f) * 4;
    // Short frames are padded.
    let content = packet.get(header_bytes..usize::from(port(packet, 2)?))?;
    let address = |at: usize| {
        let bytes: [u8; 4] = packet.get(at..at + 4)?.try_into().ok()?;
        Some(IpAddr::from(Ipv4Addr::from(bytes)))
    };
    Some((*packet.get(9)?, address(12)?, address(16)?, content))
}

fn ipv6(packet: &[u8]) -> Option<Ip<'_>> {
    let content = packet.get(IPV6_HEADER_BYTES..)?;
    let address = |at: usize| {
        let bytes: [u8; 16] = packet.get(at..at + 16)?.try_into().ok()?;
        Some(IpAddr::from(Ipv6Addr::from(bytes)))
    };
    Some((*packet.get(6)?, address(8)?, address(24)?, content))
}

/// Two bytes as a number, which is what ports are.
fn port(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

/// A frame with a question for `a.bc`, from 10.0.0.1 to 10.0.0.2, and two bytes of padding.
#[cfg(test)]
pub(super) fn example() -> Vec<u8> {
    let mut link = [0; LINK_HEADER_BYTES];
    link[0] = 8;
    let question = b"\0\0\x01\0\0\x01\0\0\0\0\0\0\x01a\x02bc\0\0\x01\0\x01";
    let udp = [0x9c, 0x40, 0, 53, 0, 30, 0, 0];
    let length = 20 + 8 + u8::try_from(question.len()).expect("a short question");
    let ip = [0x45, 0, 0, length, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
    [link.as_slice(), &ip, &udp, question, &[0, 0]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_read() {
        let packet = Packet::parse(&example()).expect("a packet");
        assert_eq!(packet.protocol, Protocol::Udp);
        assert_eq!(packet.source, IpAddr::from([10, 0, 0, 1]));
        assert_eq!(packet.destination, IpAddr::from([10, 0, 0, 2]));
        assert_eq!((packet.source_port, packet.destination_port), (40_000, 53));
        assert_eq!(packet.dns_name().as_deref(), Some("a.bc"));
        assert!(packet.contains("bc") && !packet.contains("a.bc"));
    }

    #[test]
    fn a_cut_frame_is_no_packet() {
        let frame = example();
        for length in 0..frame.len() - 2 {
            assert_eq!(Packet::parse(&frame[..length]), None, "{length} bytes");
        }
    }

    #[test]
    fn what_is_not_ip_is_no_packet() {
        let mut frame = example();
        frame[1] = 6;
        assert_eq!(Packet::parse(&frame), None);
    }
}
