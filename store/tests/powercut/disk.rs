//! A disk that remembers what it was told to keep, and what it may lose when the power goes.
//!
//! Bytes last once their file is synced, names once their folder is. Until then each may be there or
//! not: any page of a write, torn or whole, any change of a name whatever happened to others, the
//! two halves of a move between folders apart (never neither). That is less than file systems with a
//! journal promise.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::rc::Rc;

use super::support::Random;
use super::trace::Event;

/// What lies together on a disk, and the smaller part of it that is written whole or not at all.
const PAGE: usize = 4096;
const SECTOR: usize = 512;

type NodeId = usize;

const ROOT: NodeId = 0;

#[derive(Default)]
pub(crate) struct Disk {
    nodes: Vec<Node>,
    /// Names as programs see them.
    names: BTreeMap<(NodeId, String), NodeId>,
    /// Names that are durable.
    kept: BTreeMap<(NodeId, String), NodeId>,
    /// Changes of names that are not.
    pending: Vec<Renaming>,
    folders: BTreeSet<NodeId>,
    events: usize,
}

#[derive(Default)]
struct Node {
    kept: Vec<u8>,
    pending: Vec<(usize, Change)>,
}

#[derive(Clone)]
enum Change {
    Write(u64, Rc<[u8]>),
    SetLength(u64),
}

/// Changes of names in one folder that are made at once.
struct Renaming {
    event: usize,
    folder: NodeId,
    changes: Vec<(String, Option<NodeId>)>,
}

/// What became of what was not durable.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Loss {
    /// All of it is gone.
    Everything,
    /// None of it: as after the end of a process.
    Nothing,
    /// What came after some moment is gone.
    Later,
    /// Names are as they were last seen, bytes come and go.
    Bytes,
    /// Bytes are as they were last seen, names come and go.
    Names,
    /// Each thing is there or not.
    Any,
}

impl Loss {
    pub(crate) const ALL: [Self; 6] =
        [Self::Everything, Self::Nothing, Self::Later, Self::Bytes, Self::Names, Self::Any];
}

impl Disk {
    pub(crate) fn new() -> Self {
        Self { nodes: vec![Node::default()], ..Self::default() }
    }

    /// Takes in what was done next.
    pub(crate) fn apply(&mut self, event: &Event) {
        let number = self.events;
        self.events += 1;
        match event {
            Event::Make { path, folder: is_folder } => {
                if self.find(path).is_none() {
                    let node = self.nodes.len();
                    self.nodes.push(Node::default());
                    if *is_folder {
                        self.folders.insert(node);
                    }
                    let (folder, name) = self.split(path);
                    self.rename(number, folder, vec![(name, Some(node))]);
                }
            }
            Event::Write { path, offset, data } => {
                self.change(path, number, Change::Write(*offset, Rc::clone(data)));
            }
            Event::SetLength { path, length } => {
                self.change(path, number, Change::SetLength(*length));
            }
            Event::Sync { path, before } => {
                if let Some(node) = self.find(path) {
                    self.sync(node, *before);
                }
            }
            Event::Rename { from, to } => {
                let node = self.find(from).unwrap_or_else(|| panic!("{from} is renamed"));
                let ((old_folder, old), (new_folder, new)) = (self.split(from), self.split(to));
                if old_folder == new_folder {
                    self.rename(number, old_folder, vec![(old, None), (new, Some(node))]);
                } else {
                    self.rename(number, new_folder, vec![(new, Some(node))]);
                    self.rename(number, old_folder, vec![(old, None)]);
                }
            }
            Event::Remove { path } => {
                let (folder, name) = self.split(path);
                self.rename(number, folder, vec![(name, None)]);
            }
            Event::Done(_) => {}
        }
    }

    fn find(&self, path: &str) -> Option<NodeId> {
        let mut at = ROOT;
        for name in path.split('/').filter(|name| !name.is_empty()) {
            at = *self.names.get(&(at, name.to_owned()))?;
        }
        Some(at)
    }

    fn split(&self, path: &str) -> (NodeId, String) {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        (self.find(folder).unwrap_or_else(|| panic!("the folder of {path}")), name.to_owned())
    }

    fn change(&mut self, path: &str, event: usize, change: Change) {
        // A file without a name is never seen again.
        if let Some(node) = self.find(path) {
            self.nodes[node].pending.push((event, change));
        }
    }

    fn rename(&mut self, event: usize, folder: NodeId, changes: Vec<(String, Option<NodeId>)>) {
        apply_names(&mut self.names, folder, &changes);
        self.pending.push(Renaming { event, folder, changes });
    }

    fn sync(&mut self, node: NodeId, before: usize) {
        let Node { kept, pending } = &mut self.nodes[node];
        pending.retain(|(event, change)| {
            let synced = *event < before;
            if synced {
                apply_bytes(kept, change);
            }
            !synced
        });
        let kept = &mut self.kept;
        self.pending.retain(|renaming| {
            let synced = renaming.folder == node && renaming.event < before;
            if synced {
                apply_names(kept, renaming.folder, &renaming.changes);
            }
            !synced
        });
    }

    /// Writes what a start after the loss of power finds.
    pub(crate) fn write_remains(&self, target: &Path, loss: Loss, random: &mut Random) {
        let cut = match loss {
            Loss::Later => {
                let bytes = self.nodes.iter().flat_map(|node| &node.pending).map(|(at, _)| *at);
                let events: BTreeSet<_> =
                    bytes.chain(self.pending.iter().map(|renaming| renaming.event)).collect();
                let skipped = random.below(events.len() as u64 + 1);
                events.into_iter().nth(skipped as usize).unwrap_or(self.events)
            }
            _ => 0,
        };
        let mut names = self.kept.clone();
        let mut lost = BTreeSet::new();
        let mut undone = BTreeSet::new();
        for Renaming { event, folder, changes } in &self.pending {
            let kept = match loss {
                Loss::Everything => false,
                Loss::Nothing | Loss::Bytes => true,
                Loss::Later => *event < cut,
                Loss::Names | Loss::Any => {
                    // What happens to a name happens in order, and nothing leaves a folder before it
                    // is in the other.
                    let follows = changes.iter().any(|(name, _)| lost.contains(&(*folder, name)));
                    !follows && !undone.contains(event) && random.below(2) == 0
                }
            };
            if kept {
                apply_names(&mut names, *folder, changes);
            } else {
                undone.insert(*event);
                lost.extend(changes.iter().map(|(name, _)| (*folder, name)));
            }
        }
        self.write_folder(target, ROOT, &names, &mut |node| match loss {
            Loss::Everything => node.kept.clone(),
            Loss::Nothing | Loss::Names => node.bytes(|_| true),
            Loss::Later => node.bytes(|event| event < cut),
            Loss::Bytes | Loss::Any => node.torn(random),
        });
    }

    fn write_folder(
        &self,
        target: &Path,
        folder: NodeId,
        names: &BTreeMap<(NodeId, String), NodeId>,
        bytes: &mut dyn FnMut(&Node) -> Vec<u8>,
    ) {
        fs::create_dir_all(target).expect("a folder");
        let children = names.range((folder, String::new())..(folder + 1, String::new()));
        for ((_, name), node) in children {
            let path = target.join(name);
            if self.folders.contains(node) {
                self.write_folder(&path, *node, names, bytes);
            } else if !name.ends_with("-shm") {
                fs::write(path, bytes(&self.nodes[*node])).expect("a file");
            }
        }
    }
}

impl Node {
    fn bytes(&self, keep: impl Fn(usize) -> bool) -> Vec<u8> {
        let mut bytes = self.kept.clone();
        let pending = self.pending.iter().filter(|(event, _)| keep(*event));
        pending.for_each(|(_, change)| apply_bytes(&mut bytes, change));
        bytes
    }

    fn torn(&self, random: &mut Random) -> Vec<u8> {
        let mut bytes = self.kept.clone();
        for (_, change) in &self.pending {
            match change {
                Change::SetLength(_) if random.below(2) == 0 => apply_bytes(&mut bytes, change),
                Change::SetLength(_) => {}
                Change::Write(offset, data) => {
                    let mut at = 0;
                    while at < data.len() {
                        let unit = if random.below(8) == 0 { SECTOR } else { PAGE };
                        let begin = *offset as usize + at;
                        let end = (begin / unit + 1) * unit;
                        let length = (end - begin).min(data.len() - at);
                        if random.below(2) == 0 {
                            write_at(&mut bytes, begin, &data[at..at + length]);
                        }
                        at += length;
                    }
                }
            }
        }
        bytes
    }
}

fn apply_names(
    names: &mut BTreeMap<(NodeId, String), NodeId>,
    folder: NodeId,
    changes: &[(String, Option<NodeId>)],
) {
    for (name, node) in changes {
        match node {
            Some(node) => names.insert((folder, name.clone()), *node),
            None => names.remove(&(folder, name.clone())),
        };
    }
}

fn apply_bytes(bytes: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Write(offset, data) => write_at(bytes, *offset as usize, data),
        Change::SetLength(length) => bytes.resize(*length as usize, 0),
    }
}

fn write_at(bytes: &mut Vec<u8>, at: usize, data: &[u8]) {
    if bytes.len() < at + data.len() {
        bytes.resize(at + data.len(), 0);
    }
    bytes[at..at + data.len()].copy_from_slice(data);
}
