package client

import "github.com/uvtep/uvtep/api"

// DefaultPath is where the daemon's socket is unless `--control` says otherwise.
const DefaultPath = api.DefaultPath

// The verbs of Client.ChangeFDB.
const (
	Add     = "add"
	Append  = "append"
	Replace = "replace"
	Del     = "del"
)
