//! What the workspace consists of.
//!
//! Purpose: packages and their dependencies on each other from `cargo metadata`, and the source files on disk.
//!
//! Called by: every command. Calls: `run`.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::run;

/// The crates whose protocols are model-checked, and which take their primitives from the shim.
pub(crate) const ENGINE: [&str; 5] = [
    "sprang-core",
    "sprang-scheduler",
    "sprang-reactor",
    "sprang-timer-wheel",
    "sprang-sync",
];

/// A package of the workspace.
#[derive(Debug)]
pub(crate) struct Package {
    pub(crate) name: String,
    /// The manifest, relative to the workspace's root.
    pub(crate) manifest: String,
    /// The packages of the workspace that it depends on, in whatever way.
    pub(crate) depends_on: Vec<String>,
}

/// The workspace that the command runs in.
#[derive(Debug)]
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    pub(crate) target: PathBuf,
    pub(crate) packages: Vec<Package>,
}

/// A source file.
#[derive(Debug)]
pub(crate) struct SourceFile {
    /// Relative to the workspace's root, with forward slashes.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl Workspace {
    /// Asks cargo.
    pub(crate) fn load() -> Result<Self, String> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
        let root = root.expect("xtask lives two folders below the root").to_owned();
        let json = run::output(run::cargo(&root).args(["metadata", "--format-version=1", "--no-deps"]))?;
        let metadata: Value = serde_json::from_slice(&json).map_err(|error| format!("cargo metadata: {error}"))?;
        let target = PathBuf::from(text(&metadata["target_directory"])?);
        let packages = packages(&metadata, &root)?;
        Ok(Self { root, target, packages })
    }

    /// All `.rs` files in `folder`, relative to the root, in a stable order; build output is left out.
    pub(crate) fn sources(&self, folder: &str) -> Result<Vec<SourceFile>, String> {
        let mut files = Vec::new();
        collect(&self.root.join(folder), &mut files)?;
        files.sort();
        files
            .into_iter()
            .map(|file| {
                Ok(SourceFile {
                    path: relative(&file, &self.root),
                    text: read(&file)?,
                })
            })
            .collect()
    }

    /// The text of a file given by its path from the root.
    pub(crate) fn read(&self, path: &str) -> Result<String, String> {
        read(&self.root.join(path))
    }
}

/// The packages in the output of `cargo metadata`.
fn packages(metadata: &Value, root: &Path) -> Result<Vec<Package>, String> {
    array(&metadata["packages"])?
        .iter()
        .map(|package| {
            // A dependency by path is one on a package of the workspace; the registry has namesakes (`tokio`).
            let by_path = array(&package["dependencies"])?
                .iter()
                .filter(|dependency| dependency["path"].is_string());
            Ok(Package {
                name: text(&package["name"])?,
                manifest: relative(Path::new(&text(&package["manifest_path"])?), root),
                depends_on: by_path
                    .map(|dependency| text(&dependency["name"]))
                    .collect::<Result<_, _>>()?,
            })
        })
        .collect()
}

fn array(value: &Value) -> Result<&Vec<Value>, String> {
    value
        .as_array()
        .ok_or_else(|| format!("cargo metadata: expected a list, found {value}"))
}

fn text(value: &Value) -> Result<String, String> {
    let text = value
        .as_str()
        .ok_or_else(|| format!("cargo metadata: expected a string, found {value}"))?;
    Ok(text.to_owned())
}

fn relative(path: &Path, root: &Path) -> String {
    let path = path.strip_prefix(root).unwrap_or(path);
    path.to_string_lossy().replace('\\', "/")
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), String> {
    let failed = |error| format!("{}: {error}", folder.display());
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() {
            if !path.ends_with("target") {
                collect(&path, files)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_from_a_registry_are_no_arrows() {
        let metadata = serde_json::json!({ "packages": [{
            "name": "benches",
            "manifest_path": "/root/benches/Cargo.toml",
            "dependencies": [
                { "name": "tokio", "path": null, "kind": null },
                { "name": "sprang", "path": "/root/crates/sprang", "kind": "dev" },
            ],
        }]});
        let packages = packages(&metadata, Path::new("/root")).unwrap();
        assert_eq!(packages[0].depends_on, ["sprang"]);
        assert_eq!(packages[0].manifest, "benches/Cargo.toml");
    }

    #[test]
    fn output_of_another_shape_is_an_error() {
        let error = packages(&serde_json::json!({ "packages": 1 }), Path::new("/root")).unwrap_err();
        assert_eq!(error, "cargo metadata: expected a list, found 1");
    }

    #[test]
    fn the_workspace_finds_itself() {
        let workspace = Workspace::load().unwrap();
        assert!(workspace.packages.iter().any(|package| package.name == "xtask"));
        let sources = workspace.sources("crates/xtask").unwrap();
        assert!(
            sources
                .iter()
                .any(|source| source.path == "crates/xtask/src/workspace.rs")
        );
    }
}
