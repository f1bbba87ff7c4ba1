//! What compaction does about bodies that no tree has.

use std::ops::ControlFlow;

use super::copy_blobs;
use crate::Error;
use crate::engine::{Rows, RowsMut};
use crate::rev_tree::BodyId;

/// Copies what lost to a later writer and what is held, with bodies and attachments.
pub(super) fn copy(from: &dyn Rows, to: &mut dyn RowsMut) -> Result<(), Error> {
    let mut copied = Ok(());
    from.overwritten(0, &mut |row| {
        copied = copy_body(row.body, from, to).and_then(|()| to.put_overwritten(&row));
        if copied.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    copied?;
    let mut copied = Ok(());
    from.held(&mut |row| {
        copied = copy_body(row.body, from, to).and_then(|()| to.put_held(&row));
        if copied.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    copied
}

fn copy_body(id: BodyId, from: &dyn Rows, to: &mut dyn RowsMut) -> Result<(), Error> {
    let body = from.body(id)?;
    let body = body.ok_or_else(|| Error::Damaged(format!("body {} is gone", id.0)))?;
    to.put_body(id, &body)?;
    copy_blobs(&body, from, to).map(|_| ())
}
