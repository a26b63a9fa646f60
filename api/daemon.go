package api

// DefaultPath is where the daemon's socket is unless told otherwise: one daemon
// a network namespace.
const DefaultPath = "/run/uvtep/uvtep.sock"

// Version is what GET /v1/version answers.
type Version struct {
	Version string `json:"version"`
}

// Log is what GET /v1/log answers.
type Log struct {
	// Lines are the latest ones of the daemon's log, oldest first: 256 KiB of them.
	Lines []string `json:"lines"`
}

// Flushed is what POST /v1/fdb/flush answers.
type Flushed struct {
	Flushed int `json:"flushed"`
}

// ConfigApply asks the daemon to read its configuration file again.
type ConfigApply struct {
	// Force takes a file that seems to have been cut off as it is.
	Force bool `json:"force,omitempty"`
}

// ConfigApplied is what the daemon made of its configuration file.
type ConfigApplied struct {
	File    string   `json:"file"`
	Links   int      `json:"links"`   // that it has
	Removed []string `json:"removed"` // links that it had before
}
