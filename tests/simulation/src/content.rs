//! What a revision holds, as the simulation writes it and finds it again.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::rc::Rc;

use store::{
    Attachment, Content as Bytes, Database, Error, Intake, NewAttachment, RevId, Snapshot, Staged,
};

/// What a revision holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) deleted: bool,
    pub(crate) body: String,
    pub(crate) attachments: BTreeMap<String, Rc<[u8]>>,
}

impl Content {
    /// The same of a stored body.
    pub(crate) fn read(
        snapshot: &Snapshot<'_>,
        deleted: bool,
        body: String,
        attachments: &[Attachment],
    ) -> Result<Self, Error> {
        let mut read = BTreeMap::new();
        for attachment in attachments {
            let mut bytes = Vec::new();
            let reader = snapshot.attachment(attachment)?.decoded(attachment);
            take_all(reader, &mut bytes)?;
            read.insert(attachment.name.clone(), bytes.into());
        }
        Ok(Self { deleted, body, attachments: read })
    }
}

fn take_all(mut reader: impl std::io::Read, bytes: &mut Vec<u8>) -> Result<(), Error> {
    let failed = |source| Error::Io { action: "read an attachment", source };
    reader.read_to_end(bytes).map(|_| ()).map_err(failed)
}

/// Has a database take bytes in.
pub(crate) fn stage(database: &Database, bytes: &[u8], intake: Intake) -> Result<Staged, Error> {
    let mut writer = database.stage(u64::MAX, intake)?;
    let written = writer.write_all(bytes);
    written.map_err(|source| Error::Io { action: "stage an attachment", source })?;
    writer.finish()
}

/// An attachment of a new revision.
pub(crate) fn attachment(name: &str, content: Bytes) -> NewAttachment {
    let content_type = Some("text/plain".into());
    NewAttachment { name: name.into(), content_type, revpos: None, content }
}

/// A leaf of a document.
#[derive(Clone, Debug)]
pub(crate) struct Leaf {
    /// Itself and its ancestors, newest first.
    pub(crate) path: Vec<RevId>,
    pub(crate) content: Content,
}

impl Leaf {
    pub(crate) fn rev(&self) -> &RevId {
        &self.path[0]
    }
}
