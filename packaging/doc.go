// Package packaging makes what is installed: static binaries that are the same whoever builds them, man pages and
// completions from the command line's own texts, and .deb and .rpm packages. Command packaging/build runs it; the files
// that go in (units, users, the default configuration, scripts) are in the directories beside it.
package packaging
