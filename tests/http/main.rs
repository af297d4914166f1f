//! Tests of programs over sockets, files and network namespaces.

mod lock;
mod netns;
mod prepare;
