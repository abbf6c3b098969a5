//! The few messages of Channel Access that a probe needs. Pure.

use epics_ca_rs::protocol::{
    CA_DO_REPLY, CA_DONT_REPLY, CA_MINOR_VERSION, CA_PROTO_CREATE_CH_FAIL, CA_PROTO_CREATE_CHAN,
    CA_PROTO_NOT_FOUND, CA_PROTO_SEARCH, CA_PROTO_VERSION,
};

/// Length of a header.
pub(super) const HEADER: usize = 16;
/// Payload size of a header whose real size follows it; nothing that a probe waits for is so long.
const EXTENDED: u16 = 0xFFFF;
/// The id by which replies are told from those to somebody else.
pub(super) const ID: u32 = 0x0b1a_2b3c;
/// A search reply with this address means its sender.
const SENDER: u32 = 0xFFFF_FFFF;

/// A message as it is sent.
fn message(command: u16, kind: u16, parameters: [u32; 2], name: &str) -> Vec<u8> {
    let mut payload = name.as_bytes().to_vec();
    if !payload.is_empty() {
        // A zero at the end, and eight bytes a unit.
        payload.resize((payload.len() / 8 + 1) * 8, 0);
    }
    let size = u16::try_from(payload.len()).unwrap_or(EXTENDED - 7);
    payload.truncate(size.into());
    let mut bytes = Vec::with_capacity(HEADER + payload.len());
    for word in [command, size, kind, CA_MINOR_VERSION] {
        bytes.extend(word.to_be_bytes());
    }
    for parameter in parameters {
        bytes.extend(parameter.to_be_bytes());
    }
    bytes.extend(payload);
    bytes
}

/// Says which version is spoken here.
pub(super) fn version() -> Vec<u8> {
    message(CA_PROTO_VERSION, 0, [0, 0], "")
}

/// Asks who has the PV. By UDP only who has it answers.
pub(super) fn search(pv: &str, want_refusal: bool) -> Vec<u8> {
    let reply = if want_refusal { CA_DO_REPLY } else { CA_DONT_REPLY };
    message(CA_PROTO_SEARCH, reply, [ID, ID], pv)
}

/// Asks a server for a channel of the PV.
pub(super) fn create(pv: &str) -> Vec<u8> {
    message(CA_PROTO_CREATE_CHAN, 0, [ID, CA_MINOR_VERSION.into()], pv)
}

/// What a server said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// Its minor version.
    Version(u16),
    /// Who has the PV: a port, and an address unless it is the sender's.
    Found {
        /// TCP port.
        port: u16,
        /// IPv4 address.
        address: Option<[u8; 4]>,
    },
    /// It has no such PV.
    NotFound,
    /// The channel is there.
    Created,
    /// Something else.
    Other,
}

/// The first message of `bytes` and its length, once all of it is there.
pub(super) fn read(bytes: &[u8]) -> Option<(Reply, usize)> {
    let header = bytes.get(..HEADER)?;
    let word = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    let long = |at: usize| {
        u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
    };
    let size = if word(2) == EXTENDED { 0 } else { usize::from(word(2)) };
    let length = HEADER + size;
    if bytes.len() < length {
        return None;
    }
    let reply = match word(0) {
        CA_PROTO_VERSION => Reply::Version(word(6)),
        CA_PROTO_SEARCH if long(12) == ID => {
            let address = (long(8) != SENDER).then(|| long(8).to_be_bytes());
            Reply::Found { port: word(4), address }
        }
        CA_PROTO_NOT_FOUND if long(12) == ID => Reply::NotFound,
        CA_PROTO_CREATE_CHAN if long(8) == ID => Reply::Created,
        CA_PROTO_CREATE_CH_FAIL if long(8) == ID => Reply::NotFound,
        _ => Reply::Other,
    };
    Some((reply, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_padded_to_eight_bytes_with_a_zero_at_the_end() {
        assert_eq!(version().len(), HEADER);
        assert_eq!(search("seven77", false).len(), HEADER + 8);
        assert_eq!(create("eight888").len(), HEADER + 16);
        assert_eq!(search("X", true)[..8], [0, 6, 0, 8, 0, 10, 0, 13]);
    }

    #[test]
    fn replies_to_others_are_nothing_to_us() {
        let reply = |command: u16, kind: u16, first: u32, second: u32| {
            let mut bytes = message(command, kind, [first, second], "");
            bytes.extend([0; 3]);
            read(&bytes).unwrap()
        };
        let found = Reply::Found { port: 5064, address: Some([10, 0, 0, 1]) };
        assert_eq!(reply(CA_PROTO_SEARCH, 5064, 0x0a00_0001, ID), (found, HEADER));
        let sender = Reply::Found { port: 5064, address: None };
        assert_eq!(reply(CA_PROTO_SEARCH, 5064, SENDER, ID), (sender, HEADER));
        assert_eq!(reply(CA_PROTO_SEARCH, 5064, SENDER, 1).0, Reply::Other);
        assert_eq!(reply(CA_PROTO_CREATE_CH_FAIL, 0, ID, 0).0, Reply::NotFound);
        assert_eq!(reply(CA_PROTO_VERSION, 0, 0, 0).0, Reply::Version(CA_MINOR_VERSION));
    }

    #[test]
    fn half_a_message_is_waited_for() {
        let bytes = create("X");
        assert_eq!(read(&bytes[..HEADER - 1]), None);
        assert_eq!(read(&bytes[..HEADER + 1]), None);
        assert!(read(&bytes).is_some());
    }
}
